//! Photo hosts behind a proxy.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::response::Response;

use crate::photo_files::*;
use crate::support::*;

#[test]
fn behind_a_proxy_public_photo_hosts_work_and_private_ones_stay_refused() {
    let feed = feed(8);
    let mirror = with_photos(&feed);
    if mirror.run_script("unshare -rm true").code != Some(0) {
        // The system does not allow other host names.
        return;
    }
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let keys = photo_keys(&feed);
    let (photo, seen) = (feed.photo_file(&keys[0]).unwrap(), asked.clone());
    let proxy = serve(move |_, request| {
        seen.lock().unwrap().push(request.uri().to_string());
        Response::new(Body::from(photo.clone()))
    });
    let urls = ["http://photos.example/a.jpg", "http://intern.example/b.jpg"];
    for (key, url) in keys.iter().zip(urls) {
        let fields = fields(serde_json::json!({ "MediaURL": url }));
        feed.edit("Media", key, fields).unwrap();
    }
    let port = proxy.rsplit(':').next().unwrap();
    let script = format!(
        "printf '127.0.0.1 localhost\\n10.0.0.8 intern.example\\n' > hosts
         echo 'hosts: files' > nsswitch
         export http_proxy=http://localhost:{port}
         exec unshare -rm sh -c 'mount --bind hosts /etc/hosts; mount --bind nsswitch /etc/nsswitch.conf
                                 exec \"$0\" sync' \"$0\""
    );
    let ended = mirror.run_script(&script);
    assert_eq!(ended.code, Some(3), "{ended}");
    assert_eq!(*asked.lock().unwrap(), [urls[0]], "{ended}");
    let db = mirror.open();
    let column = |column: &str, key: &str| {
        text(
            &db,
            &format!("SELECT {column} FROM media WHERE \"MediaKey\" = '{key}'"),
        )
    };
    assert!(column("file_path", &keys[0]).ends_with(".jpg"), "{ended}");
    let refused = column("download_error", &keys[1]);
    assert!(
        refused.contains("intern.example is at 10.0.0.8, a private address"),
        "{refused}"
    );
}
