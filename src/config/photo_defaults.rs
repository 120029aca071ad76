//! How a service's photos are downloaded.

use std::time::Duration;

/// How a service's photos are downloaded, as defaults of `[media]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhotoDefaults {
    /// How photo hosts receive the feed's token.
    pub send_token: SendToken,
    /// The hosts that receive it. No other host does.
    pub token_hosts: &'static [&'static str],
    /// The requests per minute to one host. 0 = no known limit.
    pub requests_per_minute: u32,
    /// The requests per hour to one host. 0 = no known limit.
    pub requests_per_hour: u32,
    /// Whether photos count in the limits of the feed.
    pub shares_limits: bool,
    /// The `ImageSizeDescription` of the photos to mirror. Empty = all.
    pub size: &'static str,
    /// How long a URL works. Zero = without an end.
    pub url_life: Duration,
}

/// How photo hosts receive the feed's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendToken {
    /// They do not.
    Never,
    /// In the header `Authorization`, as the feed does.
    Bearer,
    /// As the `User-Agent`, without `Authorization`.
    UserAgent,
}

impl SendToken {
    const ALL: [SendToken; 3] = [SendToken::Never, SendToken::Bearer, SendToken::UserAgent];

    /// Returns the name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            SendToken::Never => "never",
            SendToken::Bearer => "bearer",
            SendToken::UserAgent => "user-agent",
        }
    }

    /// Returns the value with this name.
    pub fn named(name: &str) -> Option<SendToken> {
        SendToken::ALL.into_iter().find(|one| one.name() == name)
    }
}
