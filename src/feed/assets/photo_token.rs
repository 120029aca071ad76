//! The feed's token on requests to photo hosts. Only the configured hosts receive it.

use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, USER_AGENT};
use url::Url;

use super::asset_error::AssetError;
use crate::config::{Config, SendToken};
use crate::feed::http::Client;

/// Adds the feed's token to requests to the configured hosts.
pub struct PhotoToken {
    send: SendToken,
    hosts: Vec<String>,
    /// Whether the feed itself receives the token without encryption.
    feed_is_http: bool,
}

impl PhotoToken {
    /// Returns the configured way.
    pub fn new(config: &Config) -> PhotoToken {
        PhotoToken {
            send: config.media.send_token,
            hosts: config.media.token_hosts.clone(),
            feed_is_http: config.feed.base_url.scheme() == "http",
        }
    }

    /// Adds the token to a request to a host, given with its port, if the host receives it.
    pub async fn add(
        &self,
        request: RequestBuilder,
        url: &Url,
        host: &str,
        feed: &Client,
    ) -> Result<RequestBuilder, AssetError> {
        if self.send == SendToken::Never || !self.receives(url, host) {
            return Ok(request);
        }
        let token = feed.token().await.map_err(AssetError::of_feed)?;
        let header = match self.send {
            SendToken::UserAgent => token.plain_header().map(|value| (USER_AGENT, value)),
            _ => token.header().map(|value| (AUTHORIZATION, value)),
        };
        Ok(match header {
            Some((name, value)) => request.header(name, value),
            None => request,
        })
    }

    fn receives(&self, url: &Url, host: &str) -> bool {
        let is_protected = url.scheme() == "https" || self.feed_is_http;
        is_protected
            && self
                .hosts
                .iter()
                .any(|known| known.eq_ignore_ascii_case(host))
    }
}
