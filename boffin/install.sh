#!/bin/sh
# Installs this expert and what serves it, without a network:  ./install.sh [FOLDER]  (else ./boffin, beside this file)
# PYTHON names the interpreter, if it isn't python3.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${1:-$here/boffin}
python=${PYTHON:-python3}
say() { echo "install.sh: $*" >&2; }

is=$("$python" -c 'import platform, sys; print("%d.%d" % sys.version_info[:2], platform.system(), platform.machine())') || {
    say "there is no $python; install Python @python@, or name one: PYTHON=/usr/bin/python@python@ $0"; exit 1; }
if [ "$is" != "@python@ @system@ @machine@" ]; then
    say "this is for Python @python@ on @system@ @machine@, and $python is $is; name another: PYTHON=… $0"; exit 1
fi
if [ -e "$target" ]; then say "$target is there already; name another folder"; exit 1; fi
(cd "$here" && sha256sum --quiet --check SHA256SUMS) || { say "a file is damaged or missing; copy it all anew"; exit 1; }

"$python" -m venv --without-pip "$target"
pip=$(echo "$here"/wheels/pip-*.whl)
"$target/bin/python" "$pip/pip" install --quiet --no-index --no-cache-dir --disable-pip-version-check \
    --find-links "$here/wheels" 'boffin[appliance]'
"$target/bin/python" -c 'import llama_cpp' || {
    say "llama.cpp can't be loaded, as said above; on Debian and Ubuntu install libgomp1 and run this again"
    rm -r "$target"; exit 1; }
"$target/bin/boffin" bundle unpack "$here/@bundle@" "$target/bundle"
echo "Installed in $target. It answers with:"
echo "  $target/bin/boffin ask --bundle $target/bundle 'How do I …?'"
echo "  $target/bin/boffin serve --offline --bundle $target/bundle"
