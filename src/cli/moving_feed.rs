//! Serves a simulated feed whose market moves.

use std::time::Duration;

use simulator::Simulator;

use crate::stop::Stop;

/// The number of changes of one move of the market.
pub const STEPS: u32 = 10;

/// Serves a feed until a stop is requested. If `every` is given, its market moves each time that
/// this time has passed.
pub fn serve(simulator: &Simulator, every: Option<Duration>, stop: &Stop) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let Some(every) = every else {
            stop.wait().await;
            return;
        };
        loop {
            tokio::select! {
                _ = stop.wait() => return,
                () = tokio::time::sleep(every) => {
                    simulator.move_market(STEPS);
                }
            }
        }
    });
    Ok(())
}
