//! `sync reconcile --dry-run`: lists what a reconcile would do.

use serde::Serialize;

use crate::cli::display_text::{counted, nouns_of};
use crate::cli::exit::Exit;
use crate::cli::output::Output;
use crate::mirror::Mirror;
use crate::resource::Resource;
use crate::sync::{self, Context, ReconcilePlan, Repairs};

/// The JSON document of `sync reconcile --dry-run`.
#[derive(Serialize)]
struct Document<'a> {
    exit_code: u8,
    #[serde(flatten)]
    plan: &'a ReconcilePlan,
}

/// Prints what a reconcile of `resources` would do.
pub fn print(
    context: &Context<'_>,
    resources: &[Resource],
    output: &Output,
) -> anyhow::Result<Exit> {
    let mut mirror = Mirror::open_to_read(&context.config.mirror.database)?;
    sync::check_feed_address(context.config, &mirror)?;
    let plan = sync::plan_reconcile(context, &mut mirror, resources)?;
    let exit = if plan.is_partial() {
        Exit::Partial
    } else {
        Exit::Done
    };
    let document = Document {
        exit_code: exit.code(),
        plan: &plan,
    };
    output.result(&document, &describe(&plan))?;
    Ok(exit)
}

fn describe(plan: &ReconcilePlan) -> String {
    let mut text = String::new();
    for repairs in &plan.resources {
        text += &describe_resource(repairs);
    }
    if text.is_empty() {
        text += "A reconcile would change nothing.\n";
    }
    text + &format!("{}\n", counted(plan.requests, ("request", "requests")))
}

fn describe_resource(repairs: &Repairs) -> String {
    let (noun, nouns) = nouns_of(repairs.resource);
    let mut text = String::new();
    let lists = [
        ("would be deleted", &repairs.delete),
        ("would be restored", &repairs.restore),
        ("would be read again", &repairs.refetch),
    ];
    for (what, keys) in lists {
        for key in keys {
            text += &format!("{noun} {key}: {what}\n");
        }
    }
    if repairs.held_back {
        text += &format!(
            "{}: deleting {} exceeds max_delete_percent; a reconcile would keep them\n",
            repairs.resource,
            counted(repairs.delete.len() as u64, (noun, nouns))
        );
    }
    for problem in &repairs.problems {
        text += &super::verify::describe_difference(repairs.resource, problem);
        text.push('\n');
    }
    text
}
