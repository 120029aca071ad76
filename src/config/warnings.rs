//! Warnings about valid settings.

use super::loopback::is_loopback;
use super::photo_defaults::SendToken;
use super::settings::Config;
use crate::resource::Resource;

impl Config {
    /// Returns a warning for each valid setting that is probably a mistake.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.feed.base_url.scheme() == "http" && !is_loopback(&self.feed.base_url) {
            warnings.push("`base_url` is http: the token travels in clear; use https".to_owned());
        }
        if let Some(most) = self.feed.profile.largest_page
            && self.feed.page_size > most
        {
            warnings.push(format!(
                "`page_size` is {}, but {} servers answer at most {most} records at once",
                self.feed.page_size, self.feed.profile
            ));
        }
        let media = &self.media;
        if media.send_token != SendToken::Never && media.token_hosts.is_empty() {
            warnings.push("`send_token` is set, but `token_hosts` names no host".to_owned());
        }
        let is_unused = |resource: &&Resource| !self.sync.resources.contains(*resource);
        for resource in self.sync.filter.keys().filter(is_unused) {
            warnings.push(format!(
                "[sync.filter] names {resource}, which `resources` does not"
            ));
        }
        for resource in self.sync.select.keys().filter(is_unused) {
            warnings.push(format!(
                "[sync.select] names {resource}, which `resources` does not"
            ));
        }
        warnings
    }
}
