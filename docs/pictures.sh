#!/bin/sh
# Makes the pictures of the report in this folder, from a new demo.
# Needs chromium, and makes smaller files if pngquant is installed. Run it from the repository:
#   cargo build --release && sh docs/pictures.sh target/release/mlsmirror
set -eu
program=$(realpath "${1:-target/release/mlsmirror}")
docs=$(dirname "$(realpath "$0")")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$program" demo --dir "$folder/demo" > /dev/null
"$program" --config "$folder/demo/mlsmirror.toml" report --html "$folder/report.html" > /dev/null
# A window is at least 500 pixels wide, so a frame has the width of a phone.
cat > "$folder/phone.html" <<'HTML'
<!DOCTYPE html><style>body { margin: 0 } iframe { border: 0; width: 390px; height: 1500px }</style>
<iframe src="report.html"></iframe>
HTML

# picture NAME WIDTH,HEIGHT PAGE [OPTION...]
picture() {
    name=$1 size=$2 page=$3
    shift 3
    chromium --headless --no-sandbox --disable-gpu --hide-scrollbars \
        --user-data-dir="$folder/browser" --allow-file-access-from-files "$@" \
        --window-size="$size" --screenshot="$docs/$name.png" "file://$folder/$page" 2> /dev/null
    if command -v pngquant > /dev/null; then
        pngquant --force --ext .png 64 "$docs/$name.png"
    fi
}

picture report-light 1280,1880 report.html
picture report-dark-phone 390,1500 phone.html --blink-settings=preferredColorScheme=0
