#!/usr/bin/env bash
# Copies KaTeX, at the version in package-lock.json, to the assets of the viewer. Needs npm.
# Usage: requirements/katex/vendor.sh
set -euo pipefail
cd "$(dirname "$0")"
ASSETS=../../pipeline/inspection/ui/assets/vendor/katex
aside=$(mktemp -d)
trap 'rm -rf "$aside"' EXIT
cp package.json package-lock.json "$aside"
# The lock file holds the packages' hashes, which npm checks.
(cd "$aside" && npm ci --omit=dev --ignore-scripts --no-fund --no-audit)
katex=$aside/node_modules/katex
rm -rf "$ASSETS"
mkdir -p "$ASSETS/fonts"
cp "$katex/LICENSE" "$katex/dist/katex.min.js" "$ASSETS"
cp "$katex"/dist/fonts/*.woff2 "$ASSETS/fonts"
# Every browser that runs the viewer reads woff2; the other formats of the fonts are left out.
sed -E 's/,url\([^)]*\.(woff|ttf)\) format\("[a-z]+"\)//g' "$katex/dist/katex.min.css" >"$ASSETS/katex.min.css"
