//! The number of requests that a full sync sends to read a resource.

/// The reading of a resource, as far as it decides the number of requests.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// The number of requests for the count and the newest timestamp.
    pub survey: u64,
    /// The number of records in each range. The start of each range but the first takes a
    /// request.
    pub ranges: Vec<u64>,
    /// The number of records per page.
    pub page_size: u64,
    /// Whether pages are read by next links.
    pub by_links: bool,
    /// Whether the sync has to find out that pages are read by next links.
    pub finds_links: bool,
    /// Whether counts show the end of the pages.
    pub counts_all: bool,
}

impl Reading {
    /// Returns the number of requests.
    pub fn requests(&self) -> u64 {
        let records: u64 = self.ranges.iter().sum();
        let pages = |records: u64| records.div_ceil(self.page_size.max(1));
        if self.by_links {
            // The count is asked for again at the end. A sync that does not know the way reads
            // a page by key first.
            let found = u64::from(self.finds_links) * (1 + u64::from(self.ranges.len() > 1));
            return pages(records) + 2 * self.survey + found;
        }
        let starts = self.ranges.len() as u64 - 1;
        let in_ranges: u64 = self.ranges.iter().copied().map(pages).sum();
        // A walk by key ends at an empty page, which is read twice.
        self.survey + starts + in_ranges + 2 + u64::from(!self.counts_all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_other_requests_are_counted() {
        let by_key = Reading {
            survey: 1,
            ranges: vec![800, 850],
            page_size: 100,
            by_links: false,
            finds_links: false,
            counts_all: true,
        };
        assert_eq!(by_key.requests(), 1 + 1 + 8 + 9 + 2);
        let by_links = Reading {
            by_links: true,
            ..by_key.clone()
        };
        assert_eq!(by_links.requests(), 17 + 2);
    }
}
