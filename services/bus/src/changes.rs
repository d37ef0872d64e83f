//! Word that something on the bus has changed, without what changed.
//!
//! One task per subscription, spawned by [`Changes::follow`] and aborted when the [`Changes`] is
//! dropped. It empties the subscription's queue at once: zbus stops reading its socket while any
//! queue is full, so a reader that waits for an answer with a full queue would wait for ever.
//! Nothing is queued beyond that: any number of changes is one unread word.

use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use zbus::match_rule::Builder;
use zbus::{Connection, MatchRule, MessageStream, message};

use crate::PROPERTIES;

/// A subscription to property changes.
#[derive(Debug)]
pub struct Changes {
    word: watch::Receiver<()>,
    emptier: JoinHandle<()>,
}

impl Changes {
    /// The rule that matches every `PropertiesChanged` sent by the owner of `name`, to narrow.
    pub(crate) fn of_properties(name: &'static str) -> Builder<'static> {
        MatchRule::builder()
            .msg_type(message::Type::Signal)
            .sender(name)
            .interface(PROPERTIES)
            .member("PropertiesChanged")
    }

    /// Subscribes to what `rule` matches.
    pub(crate) async fn follow(
        connection: &Connection,
        rule: MatchRule<'static>,
    ) -> zbus::Result<Self> {
        let mut signals = MessageStream::for_match_rule(rule, connection, None).await?;
        let (sender, word) = watch::channel(());
        let emptier = tokio::spawn(async move {
            while signals.next().await.is_some() {
                sender.send_replace(());
            }
        });
        Ok(Self { word, emptier })
    }

    /// Waits until something has changed since the last call; `false` once the connection is gone.
    /// Safe to cancel: a change is not lost with the future that waited for it.
    pub async fn next(&mut self) -> bool {
        self.word.changed().await.is_ok()
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.emptier.abort();
    }
}
