//! Tables of a page.

use maud::{Markup, html};

use crate::report::table::Table;

/// Renders a table in a box of its own that scrolls.
pub fn html_table(table: &Table, title: &str) -> Markup {
    let is_name = |column: usize| column < table.names;

    html! {
        div class="scroll" tabindex="0" role="region" aria-label=(title) {
            table {
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
                                    td { (cell) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
