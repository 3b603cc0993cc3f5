//! What a link can name, with the Kisi groups that Nexudus keeps for it (3.12).

use serde::{Deserialize, Deserializer};

use super::lenient::{id, opt_flag, opt_id, opt_text};

/// One row of a list of items. A field that the list leaves out is `None`, one that is null `Some(None)`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ItemRow {
    /// `Id`.
    #[serde(deserialize_with = "id")]
    pub id: u64,
    /// `Name`.
    #[serde(default, deserialize_with = "opt_text")]
    pub name: Option<String>,
    /// `BusinessId`.
    #[serde(default, deserialize_with = "opt_id")]
    pub business_id: Option<u64>,
    /// `Archived`.
    #[serde(default, deserialize_with = "opt_flag")]
    pub archived: bool,
    /// `KisiGroupId`.
    #[serde(default, deserialize_with = "present")]
    pub kisi_group_id: Option<Option<String>>,
    /// `AccessControlGroupId`.
    #[serde(default, deserialize_with = "present")]
    pub access_control_group_id: Option<Option<String>>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    opt_text(deserializer).map(Some)
}
