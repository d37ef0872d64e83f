//! Follows a dish, real or simulated, and prints a line for each report:
//! `cargo run -p starlink --example look -- 127.0.0.1:9200 [DEVICE]`.

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;

use starlink::dish::{DishReport, DishView};
use starlink::shell::follow::{DISH, follow};
use tokio::sync::watch;
use units::PortName;

fn main() -> Result<(), Box<dyn Error>> {
    daemon::journal::start();
    let mut arguments = std::env::args().skip(1);
    let address: SocketAddr = arguments.next().map_or(Ok(DISH), |address| address.parse())?;
    let device = arguments.next().map(|name| PortName::try_new(&name)).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (sender, reports) = watch::channel(DishReport::default());
    runtime.block_on(async {
        tokio::spawn(follow(device, address, sender));
        print(reports).await
    })
}

async fn print(mut reports: watch::Receiver<DishReport>) -> Result<(), Box<dyn Error>> {
    let mut output = std::io::stdout();
    while reports.changed().await.is_ok() {
        let DishReport { api, view } = reports.borrow_and_update().clone();
        match view {
            None => writeln!(output, "{api:?}: nothing told yet")?,
            Some(view) => writeln!(output, "{api:?}: {}", line(&view))?,
        }
    }
    Ok(())
}

fn line(view: &DishView) -> String {
    let latency = view.latency.map_or(String::from("no round trip"), |l| format!("{l:.1?}"));
    let lost = view.lost_share.map_or(0.0, |share| share * 100.0);
    let power = view.power.map_or(String::from("no power told"), |power| power.to_string());
    let mut line = format!("{:?}, {latency}, {lost:.0} % lost, {power}", view.state);
    for alert in &view.alerts {
        line += &format!(", {alert:?}");
    }
    if let Some(drain) = view.drain {
        let wait = drain.from.saturating_since(view.at).as_secs();
        line += &format!(", leave it in {wait} s ({:?})", drain.why);
    }
    if view.advice != starlink::dish::Advice::default() {
        line += &format!(", {:?}", view.advice);
    }
    line
}
