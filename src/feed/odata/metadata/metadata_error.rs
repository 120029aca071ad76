//! Why a text is not a `$metadata` document.

/// Why a text is not a `$metadata` document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// It is empty.
    #[error("$metadata is empty")]
    Empty,
    /// It is another kind of document, such as an HTML page.
    #[error("$metadata is {0}, not CSDL XML")]
    NotCsdl(String),
    /// It ends before its root element ends.
    #[error("$metadata was cut short: it ends after {bytes} bytes inside <{element}>")]
    CutShort {
        /// The length of the document, in bytes.
        bytes: usize,
        /// The innermost element that is still open.
        element: String,
    },
    /// It is not well-formed XML.
    #[error("$metadata is not well-formed XML at byte {at}: {problem}")]
    Malformed {
        /// The position, in bytes from the start.
        at: usize,
        /// The problem.
        problem: String,
    },
    /// It is CSDL without an entity type.
    #[error("$metadata declares no entity type")]
    NoEntityTypes,
}

impl MetadataError {
    /// Replaces control characters, because a terminal would interpret them and the text
    /// comes from the server.
    pub(super) fn printable(self) -> MetadataError {
        let clean = |text: String| text.replace(char::is_control, " ");
        match self {
            MetadataError::NotCsdl(kind) => MetadataError::NotCsdl(clean(kind)),
            MetadataError::CutShort { bytes, element } => MetadataError::CutShort {
                bytes,
                element: clean(element),
            },
            MetadataError::Malformed { at, problem } => MetadataError::Malformed {
                at,
                problem: clean(problem),
            },
            other => other,
        }
    }
}
