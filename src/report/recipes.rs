//! The queries of `docs/recipes.md`.

/// The document that has them.
const RECIPES: &str = include_str!("../../docs/recipes.md");

/// A query with a parameter for each key and each city.
#[derive(Debug)]
pub(super) struct Recipe {
    /// The question that it answers.
    pub title: String,
    /// The SQL.
    pub sql: String,
}

impl Recipe {
    /// Returns its name in a URL.
    pub fn name(&self) -> String {
        let words = self
            .title
            .split(|letter: char| !letter.is_ascii_alphanumeric());
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        words.join("-").to_ascii_lowercase()
    }
}

/// Returns all queries, in the order of the document.
pub(super) fn recipes() -> Vec<Recipe> {
    let mut recipes = Vec::new();
    // A paragraph is the title of the query after it.
    let mut title = "";
    for part in RECIPES.split("\n\n") {
        match part.strip_prefix("```sql\n") {
            Some(sql) => recipes.push(Recipe {
                title: (title.trim_end_matches(':'))
                    .replace('\n', " ")
                    .replace('`', ""),
                sql: (sql.trim().trim_end_matches('`').trim())
                    .replace("'1000002'", ":ListingKey")
                    .replace("'Sandy'", ":City"),
            }),
            None => title = part.trim(),
        }
    }
    recipes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_recipe_has_a_title_and_a_name_of_its_own() {
        let recipes = recipes();
        assert!(recipes.len() > 15);
        let names: BTreeSet<String> = recipes.iter().map(Recipe::name).collect();
        assert_eq!(names.len(), recipes.len());
        for recipe in recipes {
            assert!(recipe.title.len() < 90, "{recipe:?}");
            assert!(recipe.title.starts_with(char::is_uppercase), "{recipe:?}");
            assert!(recipe.sql.ends_with(';'), "{recipe:?}");
        }
    }
}
