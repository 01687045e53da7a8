# Sets a checkout or an installed package up; sourced by ../gantry and used by test/run. Speaks on stderr only.

say() { echo "gantry: $*" >&2; }

# One word per missing package of the purposes given: missing_packages FOLDER run test ...
missing_packages() {
  list=$1/system-packages.txt
  shift
  while IFS='|' read -r purpose package proofs _; do
    case $purpose in '#'* | '') continue ;; esac
    wanted=''
    for want in "$@"; do [ "$want" = "${purpose%% *}" ] && wanted=1; done
    [ -n "$wanted" ] || continue
    found=''
    for proof in $proofs; do
      case $proof in
        /*) [ -e "$proof" ] && found=1 ;;
        *) PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin command -v "$proof" >/dev/null 2>&1 && found=1 ;;
      esac
    done
    # shellcheck disable=SC2086
    [ -n "$found" ] || echo $package
  done <"$list"
}

# install_packages FOLDER PURPOSE...: true when nothing is missing afterwards.
install_packages() {
  folder=$1
  shift
  missing=$(missing_packages "$folder" "$@" | tr '\n' ' ')
  [ -n "$missing" ] || return 0
  if ! command -v apt-get >/dev/null 2>&1; then
    say "this machine has no apt-get; install these by its own means: $missing(reasons: system-packages.txt)"
    return 1
  fi
  as_root=''
  if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null 2>&1 && { [ -t 2 ] || sudo -n true 2>/dev/null; }; then
      as_root=sudo
    else
      say "these packages are missing and only root can install them: $missing-- ask for: apt-get install $missing"
      return 1
    fi
  fi
  say "installs from the distribution: $missing(reasons: system-packages.txt)"
  # shellcheck disable=SC2086
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 ||
    { $as_root apt-get update -qq >/dev/null && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null; } ||
    { say "apt-get could not install: $missing"; return 1; }
}

# The machine's own Node where it is new enough, for machines that npm has no Node for.
machine_node() {
  node=$(command -v node) || { say "there is no Node for this machine; install Node 24 or newer, or set GANTRY_NODE"; return 1; }
  case $("$node" --version) in
    v2[4-9].* | v[3-9][0-9].*) echo "$node" ;;
    *) say "Node 24 or newer is needed and $node is $("$node" --version); set GANTRY_NODE to another"; return 1 ;;
  esac
}

node_of() {
  for candidate in "$1"/node_modules/node-linux-*/bin/node; do [ -x "$candidate" ] && { echo "$candidate"; return; }; done
  machine_node
}

install_modules() {
  [ -f "$1/node_modules/.package-lock.json" ] && [ ! "$1/package-lock.json" -nt "$1/node_modules/.package-lock.json" ] && return 0
  cmp -s "$1/package-lock.json" "$1/node_modules/.installed-lock.json" && return 0
  command -v npm >/dev/null 2>&1 || { say "npm is needed once, to fetch the modules; on Debian: apt-get install npm"; return 1; }
  say 'fetches its modules (npm ci)'
  # Only Node and esbuild come as programs, and both come inside packages: no install script needs to run.
  (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >.npm-ci.log 2>&1) || { head -n 20 "$1/.npm-ci.log" >&2; say "npm ci failed; all it said is in $1/.npm-ci.log"; return 1; }
  rm -f "$1/.npm-ci.log"
  cp "$1/package-lock.json" "$1/node_modules/.installed-lock.json"
}

prepare_checkout() {
  mkdir -p "$1/dist"
  (
    # Twenty at once prepare once.
    flock 9
    stale=$(find "$1/src" "$1/scripts" "$1/package-lock.json" "$1/system-packages.txt" -newer "$1/dist/.built" -print -quit 2>&1)
    [ -f "$1/dist/.built" ] && [ -z "$stale" ] && exit 0
    : >"$1/dist/.building"
    # Without them the client still works, and `gantry doctor` tells what is missing.
    install_packages "$1" run rootless || say 'goes on without them'
    install_modules "$1" || exit 1
    node=$(node_of "$1") || exit 1
    "$node" "$1/scripts/build.ts" || { say 'the build failed'; exit 1; }
    mv "$1/dist/.building" "$1/dist/.built"
  ) 9>"$1/dist/.lock"
}

# An installed package is built already; what the distribution has is looked for until it is all there.
prepare_package() {
  [ "${DOCKER_HOST:-}" = '' ] || return 0
  if install_packages "$1" run; then : >"$1/dist/.system" 2>/dev/null; fi
  return 0
}

# The docker CLI, for tests: the machine's own, or the one of Debian's package unpacked beside, without its daemon.
docker_client() {
  tools=$1/.cache/tools
  PATH=$PATH:$tools/usr/bin
  export PATH
  command -v docker >/dev/null 2>&1 && return 0
  command -v apt-get >/dev/null 2>&1 || return 0
  mkdir -p "$tools"
  for package in docker-cli docker.io; do
    (cd "$tools" && apt-get download -qq "$package" >/dev/null 2>&1 && dpkg-deb -x "$package"_*.deb . && rm -f ./*.deb)
    [ ! -x "$tools/usr/bin/docker" ] || return 0
  done
  say 'there is no docker CLI to be had; its tests are skipped'
}
