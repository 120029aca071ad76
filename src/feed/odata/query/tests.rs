use super::*;
use crate::config::Precision;

fn text(value: &str) -> Literal {
    Literal::Text(value.to_owned())
}

#[test]
fn a_query_encodes_its_options_and_stays_readable() {
    let cases = [
        (Query::of("Property"), "Property"),
        (Query::of("Property").filter("  "), "Property"),
        (
            Query::of("Property").top(200).skip(400).count(),
            "Property?$top=200&$skip=400&$count=true",
        ),
        (
            Query::of("Property")
                .filter(gt("ListingKeyNumeric", &Literal::Int(12)))
                .order_by("ListingKeyNumeric", Order::Asc)
                .top(200),
            "Property?$filter=ListingKeyNumeric%20gt%2012&$orderby=ListingKeyNumeric&$top=200",
        ),
        (
            Query::of("Property")
                .order_by("ModificationTimestamp", Order::Asc)
                .order_by("ListingKey", Order::Desc)
                .select(["ListingKey", "ListPrice"]),
            "Property?$orderby=ModificationTimestamp,ListingKey%20desc&$select=ListingKey,ListPrice",
        ),
        (
            Query::of("Property").expand(["Media".to_owned(), "OpenHouse".to_owned()]),
            "Property?$expand=Media,OpenHouse",
        ),
        (
            Query::of("Property").filter(eq("City", &text("O'Neil & Söhne+=#%"))),
            "Property?$filter=City%20eq%20'O''Neil%20%26%20S%C3%B6hne%2B%3D%23%25'",
        ),
        (
            Query::of("Property").filter("StandardStatus eq Odata.Models.StandardStatus'Active'"),
            "Property?$filter=StandardStatus%20eq%20Odata.Models.StandardStatus'Active'",
        ),
        (
            Query::of("Property")
                .filter(ge("M", &Literal::Timestamp("2026-01-02T03:04:05Z".into()))),
            "Property?$filter=M%20ge%202026-01-02T03:04:05Z",
        ),
    ];
    for (query, expected) in cases {
        assert_eq!(query.to_path_and_query(), expected);
    }
}

#[test]
fn joined_filters_keep_the_meaning_of_their_parts() {
    let after = Literal::Timestamp("2026-01-02T03:04:05Z".into());
    let tie = and([eq("M", &after), gt("K", &text("a'b"))]);
    let cases = [
        (and(Vec::<String>::new()), ""),
        (
            and(["a eq 1".to_owned(), group(""), "b eq 2".to_owned()]),
            "a eq 1 and b eq 2",
        ),
        (
            and([group("a eq 1 or b eq 2"), le("c", &Literal::Int(-3))]),
            "(a eq 1 or b eq 2) and c le -3",
        ),
        (
            or([gt("M", &after), tie]),
            "(M gt 2026-01-02T03:04:05Z or M eq 2026-01-02T03:04:05Z and K gt 'a''b')",
        ),
        (or(["a eq 1"]), "a eq 1"),
        (is_in("K", &[]), "false"),
        (is_in("K", &[Literal::Int(1)]), "K eq 1"),
        (is_in("K", &[text("a"), text("b'")]), "K in ('a','b''')"),
        (
            is_any_of("K", &[text("a"), text("b")]),
            "(K eq 'a' or K eq 'b')",
        ),
    ];
    for (filter, expected) in cases {
        assert_eq!(filter, expected);
    }
}

#[test]
fn timestamps_have_the_precision_that_the_server_compares() {
    let cases = [
        (
            "2026-01-02 03:04:05",
            "2026-01-02T03:04:05Z",
            "2026-01-02T03:04:05.000Z",
        ),
        (
            "2026-01-02 03:04:05.5",
            "2026-01-02T03:04:05.5Z",
            "2026-01-02T03:04:05.500Z",
        ),
        (
            "2026-01-02 03:04:05.123987",
            "2026-01-02T03:04:05.123987Z",
            "2026-01-02T03:04:05.123Z",
        ),
        (
            "2026-01-02T03:04:05Z",
            "2026-01-02T03:04:05Z",
            "2026-01-02T03:04:05.000Z",
        ),
    ];
    for (stored, as_stored, millis) in cases {
        assert_eq!(timestamp_literal(stored, Precision::AsStored), as_stored);
        assert_eq!(timestamp_literal(stored, Precision::Millis), millis);
    }
}
