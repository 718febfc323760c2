//! Many clusters and many watchers: a day of a hundred clusters in the time the work takes, since every timer of the server
//! is tokio's and a paused runtime moves on by itself; and a thousand watchers who share what they are told.

use std::time::Duration;

use bowline_apiserver::{Clock, Cluster, Fleet, Gvr, Options};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

const CLUSTERS: u64 = 100;
const START: &str = "2026-01-01T00:30:00Z";
const DAY: Duration = Duration::from_hours(24);

fn cron_job() -> Value {
    json!({
        "metadata": {"name": "nightly", "namespace": "default"},
        "spec": {
            "schedule": "0 */12 * * *",
            "successfulJobsHistoryLimit": 1,
            "jobTemplate": {"spec": {"template": {"spec": {
                "restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox:1"}],
            }}}},
        },
    })
}

#[tokio::test(start_paused = true)]
async fn a_day_of_a_hundred_clusters_passes() {
    let begin = std::time::Instant::now();
    let fleet = Fleet::new();
    let cron_jobs = Gvr::new("batch", "v1", "cronjobs");
    for seed in 0..CLUSTERS {
        let clock = Clock::tokio(START.parse().expect("it is a time"));
        let cluster = Cluster::new(Options { clock, seed, ..Options::default() });
        cluster.admin().create(&cron_jobs, cron_job()).expect("it can be made");
        fleet.insert(&format!("cluster-{seed}"), cluster);
    }
    tokio::time::sleep(DAY).await;

    for name in fleet.names() {
        let admin = fleet.get(&name).expect("it is there").admin();
        assert_eq!(admin.now().to_string(), "2026-01-02T00:30:00Z", "{name}");
        let cron = admin.get(&cron_jobs, "default", "nightly").expect("served").expect("it is there");
        assert_eq!(cron["status"]["lastScheduleTime"], "2026-01-02T00:00:00Z", "{name}");
        let jobs = admin.list(&Gvr::new("batch", "v1", "jobs"), Some("default")).expect("served");
        let jobs: Vec<&Value> = jobs.iter().map(std::convert::AsRef::as_ref).collect();
        assert_eq!(jobs.len(), 1, "{name}: the history is kept short");
        assert_eq!(jobs[0]["status"]["succeeded"], 1, "{name}");
    }
    assert!(begin.elapsed() < DAY, "no real day may pass");
}

#[tokio::test(start_paused = true)]
async fn watches_end_and_tell_where_they_are_by_the_same_time() {
    let clock = Clock::tokio(START.parse().expect("it is a time"));
    let cluster = Cluster::new(Options { clock: clock.clone(), controllers: false, ..Options::default() });
    let uri = "/api/v1/configmaps?watch=1&allowWatchBookmarks=true&timeoutSeconds=3600&resourceVersion=";
    let request = http::Request::get(format!("{uri}{}", cluster.resource_version()))
        .body(http_body_util::Empty::<bytes::Bytes>::new())
        .expect("it is a request");
    let before = clock.now();
    let reply = cluster.service().oneshot(request).await.expect("it is answered");
    let told = reply.into_body().collect().await.expect("it ends by itself").to_bytes();
    let bookmarks = told.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
    assert!((50..=60).contains(&bookmarks), "about one a minute, not {bookmarks}");
    assert_eq!(clock.now().as_second() - before.as_second(), 3600);
}

#[tokio::test]
async fn a_thousand_watchers_share_one_encoding() {
    let cluster = Cluster::new(Options { controllers: false, ..Options::default() });
    let maps = Gvr::new("", "v1", "configmaps");
    let uri = format!("/api/v1/configmaps?watch=1&resourceVersion={}", cluster.resource_version());
    let mut watches = Vec::new();
    for _ in 0..1000 {
        let request =
            http::Request::get(&uri).body(http_body_util::Empty::<bytes::Bytes>::new()).expect("it is a request");
        watches.push(cluster.service().oneshot(request).await.expect("it is answered").into_body());
    }
    let object =
        |value: u32| json!({"metadata": {"name": "busy", "namespace": "default"}, "data": {"n": value.to_string()}});
    let admin = cluster.admin();
    admin.create(&maps, object(0)).expect("it can be made");
    for value in 1..5 {
        admin.update(&maps, object(value)).expect("it can be changed");
    }
    admin.delete(&maps, "default", "busy", &bowline_apiserver::DeleteOptions::default()).expect("it can be deleted");

    // Where the bytes lie tells whether they are the same ones.
    let mut copies = vec![std::collections::BTreeSet::new(); 6];
    for watch in &mut watches {
        for told in &mut copies {
            let frame = watch.frame().await.expect("it goes on").expect("it cannot break");
            let bytes = frame.into_data().expect("it is data");
            told.insert((bytes.as_ptr().addr(), bytes.len()));
        }
    }
    let counts: Vec<usize> = copies.iter().map(std::collections::BTreeSet::len).collect();
    assert_eq!(counts, [1; 6], "each event is encoded once, whoever is told");
}
