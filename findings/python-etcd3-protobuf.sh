#!/usr/bin/env bash
# python etcd3 0.12.0: `import etcd3` fails with protobuf 4 and newer, of which pip installs the newest, because the package does not limit the version
# and contains code generated for protobuf 3. Workaround: `pip install etcd3 'protobuf<4'`.
#
# Seen (Linux, Python 3.11.7):
#   protobuf 7.36.2: TypeError: Descriptors cannot be created directly.
#   protobuf 3.20.3: imported
#
# Needs Python 3 and pip. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python >/dev/null
install() { python/bin/pip install --quiet --disable-pip-version-check "$@"; }
try_import() { python/bin/python -c 'import etcd3; print("imported")' 2>&1 | grep -E "^(imported|TypeError)"; }

install etcd3==0.12.0 protobuf==7.36.2
echo "protobuf 7.36.2: $(try_import)" | tee seen.txt
install protobuf==3.20.3
echo "protobuf 3.20.3: $(try_import)" | tee -a seen.txt
diff - seen.txt <<'END'
protobuf 7.36.2: TypeError: Descriptors cannot be created directly.
protobuf 3.20.3: imported
END
