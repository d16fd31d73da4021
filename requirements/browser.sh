#!/usr/bin/env bash
# Installs Chromium for the tests of berry's pages, where it is missing and may be installed. Without it
# they are skipped, and say so.
set -uo pipefail
LOG=.venv/browser.log
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null && exit 0
done
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "browser: the tests of the pages are skipped without it: sudo apt-get install chromium" >&2
    exit 0
fi
echo "browser: installing Chromium for the tests of the pages"
install() { apt-get install -qq -y --no-install-recommends chromium; }
{ install || { apt-get update -qq && install; }; } >"$LOG" 2>&1 ||
    echo "browser: Chromium could not be installed (see $LOG); the tests of the pages are skipped" >&2
