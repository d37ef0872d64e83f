//! The rules, one file each. A rule is a plain function over text: it reads no file itself, so
//! each can be shown a tree that breaks it.
pub(super) mod architecture;
pub(super) mod attributes;
pub(super) mod banned_code;
pub(super) mod files;
pub(super) mod header;
pub(super) mod imports;
pub(super) mod length;
pub(super) mod machine_purity;
pub(super) mod manifests;
pub(super) mod names;
pub(super) mod plain_text;
pub(super) mod unit_files;
