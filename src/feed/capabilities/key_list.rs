//! How many keys one request asks for, and in which form.

/// The form in which `$filter` lists keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyForm {
    /// `KEY in ('a','b')`, which servers before OData 4.01 reject.
    In,
    /// `KEY eq 'a' or KEY eq 'b'`.
    Or,
}

/// The form and the largest number of keys of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyList {
    /// The form.
    pub form: KeyForm,
    /// The largest number of keys.
    pub keys_max: usize,
    /// Whether the server has accepted this form.
    pub is_proven: bool,
}

/// The RESO reference server accepts this number, and the URL stays short.
const IN_MAX: usize = 400;

/// The number of keys to try if the server refused a longer list.
const IN_NEXT: usize = 50;

/// The number of terms of an `or` that most servers accept.
const OR_MAX: usize = 50;

/// The number of terms of an `or` that every known server accepts. Source: docs.mlsgrid.com
const OR_NEXT: usize = 5;

impl KeyList {
    /// Returns the first list for a server about which these facts are known.
    pub(super) fn known(accepts_in: Option<bool>, keys_max: Option<usize>) -> KeyList {
        let form = match accepts_in {
            Some(false) => KeyForm::Or,
            _ => KeyForm::In,
        };
        let default = match form {
            KeyForm::In => IN_MAX,
            KeyForm::Or => OR_MAX,
        };
        KeyList {
            form,
            keys_max: keys_max.unwrap_or(default).max(1),
            is_proven: accepts_in == Some(true) || keys_max.is_some(),
        }
    }

    /// Returns whether an answer without records for this number of keys may mean that the
    /// server does not understand the form.
    pub fn needs_proof(self, keys: usize) -> bool {
        self.form == KeyForm::In && !self.is_proven && keys > 1
    }

    /// Returns the next list to try after the server refused a request with this number of
    /// keys. Returns none if it had a single key.
    pub fn smaller(self, refused: usize) -> Option<KeyList> {
        let (form, keys_max) = match self.form {
            _ if refused <= 1 => return None,
            KeyForm::In if refused <= IN_NEXT => (KeyForm::Or, OR_MAX),
            KeyForm::Or if refused <= OR_NEXT => (KeyForm::Or, 1),
            form if self.is_proven => (form, refused / 2),
            KeyForm::In => (KeyForm::In, IN_NEXT),
            KeyForm::Or => (KeyForm::Or, OR_NEXT),
        };
        Some(KeyList {
            form,
            keys_max,
            is_proven: self.is_proven && form == self.form,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the lists that follow each other if the server refuses all.
    fn refused(mut list: KeyList) -> Vec<(KeyForm, usize)> {
        let mut tried = vec![(list.form, list.keys_max)];
        while let Some(next) = list.smaller(list.keys_max) {
            list = next;
            tried.push((list.form, list.keys_max));
        }
        tried
    }

    #[test]
    fn a_refusal_leads_to_a_shorter_list_or_another_form() {
        use KeyForm::{In, Or};
        let cases: [(_, &[_]); 4] = [
            (
                KeyList::known(None, None),
                &[(In, 400), (In, 50), (Or, 50), (Or, 5), (Or, 1)],
            ),
            (
                KeyList::known(Some(true), None),
                &[
                    (In, 400),
                    (In, 200),
                    (In, 100),
                    (In, 50),
                    (Or, 50),
                    (Or, 5),
                    (Or, 1),
                ],
            ),
            (
                KeyList::known(Some(false), Some(50)),
                &[(Or, 50), (Or, 25), (Or, 12), (Or, 6), (Or, 3), (Or, 1)],
            ),
            (KeyList::known(Some(false), Some(1)), &[(Or, 1)]),
        ];
        for (first, lists) in cases {
            assert_eq!(refused(first), lists);
        }
    }
}
