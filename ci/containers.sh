# For ci/packages, sourced after ci/chroot.sh: an image of the packages of $release, the edge in a
# container, and compose.yaml. Images are kept in $FERRY_CHROOTS, too. The base is the system of
# ci/chroot.sh, in the place of Debian's image.
# shellcheck shell=bash disable=SC2154

# crun, podman's default, needs cgroups of version 2 alone. The processes that a container may have
# are as many as the machine of this script may have.
containers_settings() {
	mkdir -p "$chroots"
	export CONTAINERS_CONF=$chroots/containers.conf
	export CONTAINERS_STORAGE_CONF=$chroots/storage.conf
	cat > "$CONTAINERS_CONF" <<-TEXT
		[engine]
		runtime = "runc"
		cgroup_manager = "cgroupfs"
		[network]
		network_backend = "netavark"
		[containers]
		default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
	TEXT
	cat > "$CONTAINERS_STORAGE_CONF" <<-TEXT
		[storage]
		driver = "vfs"
		graphroot = "$chroots/podman"
		runroot = "$chroots/podman-run"
	TEXT
}

containers_build() {
	podman build --network=host --ulimit nofile=1024:1024 --ulimit nproc=1000:1000 "$@"
}

containers_image() {
	podman import "$chroots/$release.tar" "ferry-base:$release"
	containers_build --build-arg BASE="localhost/ferry-base:$release" \
		-t "model-ferry-edge:$release" -f scripts/ops/container/Containerfile \
		"build/packages/$release"
}

containers_root_sha256() {
	sha256sum "$1/publisher/repository/metadata/1.root.json" | cut -d' ' -f1
}

# containers_fetch URL STORE: what the demo has published, by the client of the packages, which
# finds it nowhere else.
containers_fetch() {
	local demo=$chroots/$release-clean/packages/src/build/demo rc=0
	cat > "$demo/client.conf" <<-TEXT
		[repository.demo]
		metadata = $1/
		root-sha256 = $(containers_root_sha256 "$demo")
		catalog-mirrors = no
	TEXT
	mv "$demo/mirrors" "$demo/away"
	chroot_run "$release-clean" sh -c "cd /packages/src/build/demo &&
		FERRY_HOME=/packages/$2 ferry --config client.conf fetch tiny" || rc=$?
	mv "$demo/away" "$demo/mirrors"
	return "$rc"
}

# It may do as little as compose.yaml says.
containers_edge() {
	local demo=$chroots/$release-clean/packages/src/build/demo rc=0 at
	cat > "$demo/edge.conf" <<-TEXT
		[repository.demo]
		metadata = file:///mirror/
		root-sha256 = $(containers_root_sha256 "$demo")
	TEXT
	podman rm -f ferry-edge >/dev/null 2>&1 || true
	podman run -d --name ferry-edge --network=host --read-only --cap-drop=all \
		--security-opt=no-new-privileges --tmpfs /run -v /var/lib/ferry \
		-v "$demo/edge.conf:/etc/ferry/ferry.conf:ro" -v "$demo/mirrors/north:/mirror:ro" \
		"model-ferry-edge:$release" serve --listen 127.0.0.1:0
	until at=$(podman logs ferry-edge 2>&1 | grep -o 'http://127[0-9.:]*'); do
		[ "$(podman inspect -f '{{.State.Running}}' ferry-edge)" = true ] ||
			{ podman logs ferry-edge; return 1; }
		sleep 1
	done
	containers_fetch "$at" contained || rc=$?
	podman stop -t 20 ferry-edge
	[ "$(podman inspect -f '{{.State.ExitCode}}' ferry-edge)" = 0 ] || rc=1
	podman logs ferry-edge
	podman rm -f ferry-edge
	return "$rc"
}

# -- compose.yaml ----------------------------------------------------------------------

compose() {
	(cd "$chroots/compose" && IMAGE="localhost/model-ferry-edge:$release" podman-compose \
		-p model-ferry --podman-run-args='--ulimit nproc=1000:1000' \
		-f compose.yaml -f here.yaml "$@")
}

compose_id() {
	podman ps -a -q --filter label=com.docker.compose.project=model-ferry \
		--filter "label=com.docker.compose.service=$1"
}

# What of compose.yaml belongs to its machine: the port, the repository, and how many files a
# container may open. Debian's HAProxy takes the place of the image of Docker Hub.
compose_prepare() {
	local demo=$1 place=$chroots/compose
	rm -rf "$place"
	cp -R scripts/ops/container "$place"
	sed -i 's/"127.0.0.1:8480:8480"/"127.0.0.1::8480"/' "$place/compose.yaml"
	sed -i -e 's|^metadata = .*|metadata = file:///mirror/|' \
		-e "s|^root-sha256 = .*|root-sha256 = $(containers_root_sha256 "$demo")|" \
		"$place/ferry.conf"
	cat > "$place/here.yaml" <<-TEXT
		services:
		  edge-1: &edge
		    volumes: ["$demo/mirrors/north:/mirror:ro"]
		    ulimits: {nofile: 1024}
		  edge-2: *edge
		  balancer:
		    ulimits: {nofile: 8192}
	TEXT
	containers_build -t docker.io/library/haproxy:2.8 -f - "$place" <<-TEXT
		FROM localhost/ferry-base:$release
		RUN apt-get -q update && apt-get -q -y install --no-install-recommends haproxy
		USER haproxy
		CMD ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]
	TEXT
}

compose_down() {
	compose down -v || true
	podman network rm -f model-ferry_models || true
}

# The model comes through the balancer, also when one of the edges has ended, and an edge takes
# clients for who they are.
compose_serves() {
	local at try=0
	at=http://$(podman port "$(compose_id balancer)" 8480)
	until wget -q -O - "$at/healthz"; do
		try=$((try + 1))
		[ "$try" -lt 300 ] || return 1
		sleep 1
	done
	containers_fetch "$at" composed
	podman stop -t 20 "$(compose_id edge-1)"
	[ "$(podman inspect -f '{{.State.ExitCode}}' "$(compose_id edge-1)")" = 0 ]
	containers_fetch "$at" composed-again
	podman logs "$(compose_id edge-2)" 2>&1 | grep '"remote_addr":"10\.84\.80\.1"' >/dev/null
}

containers_compose() {
	local rc=0 service
	compose_down >/dev/null 2>&1
	compose_prepare "$chroots/$release-clean/packages/src/build/demo"
	# Debian 12's podman-compose does not read the subnet: see compose.yaml.
	podman network create --subnet 10.84.80.0/24 model-ferry_models
	compose up -d
	( set -e; compose_serves ) || rc=$?
	for service in edge-1 edge-2 balancer; do
		podman logs "$(compose_id "$service")" 2>&1 | tail -n 20
	done
	compose_down
	return "$rc"
}
