//! Tables of a page.

use maud::{Markup, html};

use crate::report::table::Table;

/// On a phone, the rows of a table with more columns than these become blocks.
const PHONE_COLUMNS: usize = 5;

/// Renders a table. On a phone, a wide one shows each number below the name of its column.
pub fn html_table(table: &Table) -> Markup {
    let is_name = |column: usize| column < table.names;
    let is_wide = table.head.len() > PHONE_COLUMNS;

    html! {
        table class=[is_wide.then_some("many")] {
            thead {
                tr {
                    @for (column, name) in table.head.iter().enumerate() {
                        th scope="col" class=[is_name(column).then_some("name")] { (name) }
                    }
                }
            }
            tbody {
                @for row in &table.rows {
                    tr {
                        @for (column, cell) in row.iter().enumerate() {
                            @if is_name(column) {
                                th scope="row" class="name" { (cell) }
                            } @else {
                                td data-label=[table.head.get(column)] { (cell) }
                            }
                        }
                    }
                }
            }
        }
    }
}
