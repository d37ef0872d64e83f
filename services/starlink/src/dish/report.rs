//! What whoever follows a dish gets to see.

use units::Instant;

use super::DishView;

/// The newest word from and about a dish. Nothing in it says whether the line works: a dish whose
/// interface is silent may carry traffic as ever.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DishReport {
    /// Whether the dish's interface answers.
    pub api: Api,
    /// What it said last; kept while the interface is silent, see [`DishView::at`] for its age.
    pub view: Option<DishView>,
}

/// Whether a dish's interface answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Api {
    /// It has not been asked yet.
    #[default]
    NotAsked,
    /// It answers.
    Answering,
    /// It refuses to tell its status, or tells nonsense.
    Refusing,
    /// It does not answer, since then.
    Silent {
        /// When the first of the questions in a row failed.
        since: Instant,
    },
}
