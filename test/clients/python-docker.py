"""python3-docker against the engine in DOCKER_HOST; argv[1] is an image with a shell. Prints one line per passed step."""
import io
import os
import sys
import tarfile
import time

import docker

image = sys.argv[1]
client = docker.from_env()
stem = "gt-py-%d" % os.getpid()


def step(name):
    print("ok", name, flush=True)


assert client.ping()
assert client.version()["ApiVersion"]
assert client.info()["OSType"] == "linux"
step("ping, version, info")

assert client.containers.run(image, ["echo", "hello"], remove=True) == b"hello\n"
step("run and remove")

try:
    client.containers.run(image, ["sh", "-c", "echo bad >&2; exit 3"], remove=True)
    raise AssertionError("exit 3 went unnoticed")
except docker.errors.ContainerError as error:
    assert error.exit_status == 3 and error.stderr == b"bad\n", error
step("a failing command")

box = client.containers.run(image, ["sh", "-c", "trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done"], detach=True, name=stem,
                            labels={"gt": stem}, environment={"A": "1"}, mem_limit="64m",
                            healthcheck={"test": ["CMD", "true"], "interval": 200_000_000})
try:
    box.reload()
    assert box.status == "running" and box.labels["gt"] == stem
    assert [c.id for c in client.containers.list(filters={"label": "gt=" + stem})] == [box.id]
    code, output = box.exec_run(["sh", "-c", "echo $A; echo err >&2"], demux=True)
    assert code == 0 and output == (b"1\n", b"err\n"), output
    code, output = box.exec_run("sh -c 'exit 5'")
    assert code == 5
    step("exec")
    for line in box.logs(stream=True, follow=True):
        assert line == b"up\n", line
        break
    assert box.logs(tail=1, timestamps=True).endswith(b" up\n")
    step("logs")
    stats = box.stats(stream=False)
    assert stats["memory_stats"]["limit"] == 64 << 20, stats["memory_stats"]
    assert stats["pids_stats"]["current"] >= 1
    step("stats")
    assert "PID" in box.top()["Titles"]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("put.txt")
        entry.size = 4
        tar.addfile(entry, io.BytesIO(b"data"))
    assert box.put_archive("/tmp", buffer.getvalue())
    chunks, stat = box.get_archive("/tmp/put.txt")
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
        assert tar.extractfile("put.txt").read() == b"data"
    assert stat["name"] == "put.txt" and stat["size"] == 4
    step("archives")
    assert any(change["Path"] == "/tmp/put.txt" and change["Kind"] == 1 for change in box.diff())
    box.pause()
    box.reload()
    assert box.status == "paused"
    box.unpause()
    box.rename(stem + "x")
    box.update(mem_limit="80m", memswap_limit="80m")
    box.restart(timeout=1)
    box.reload()
    assert box.name == stem + "x" and box.status == "running"
    step("diff, pause, rename, update, restart")
    box.stop(timeout=5)
    assert box.wait()["StatusCode"] == 0
    box.start()
    box.kill()
    assert box.wait()["StatusCode"] == 137
    step("stop, wait, kill")
    socket = client.api.attach_socket(client.api.create_container(image, ["cat"], stdin_open=True, name=stem + "a")["Id"],
                                      params={"stdin": 1, "stdout": 1, "stream": 1})
    client.api.start(stem + "a")
    socket._sock.sendall(b"ping\n")
    header = socket._sock.recv(8)
    assert header[0] == 1 and socket._sock.recv(5) == b"ping\n", header
    socket.close()
    client.containers.get(stem + "a").remove(force=True)
    step("attach socket")
finally:
    box.remove(force=True, v=True)

found = client.images.get(image)
assert image in found.tags
found.tag("gantry-test/py", tag="1")
saved = b"".join(client.images.get("gantry-test/py:1").save(named="gantry-test/py:1"))
client.images.remove("gantry-test/py:1")
assert client.images.load(saved)[0].tags
client.images.remove("gantry-test/py:1")
assert found.history()
step("images")

volume = client.volumes.create(stem, labels={"a": "b"})
client.containers.run(image, ["sh", "-c", "echo kept > /v/f"], remove=True, volumes={stem: {"bind": "/v", "mode": "rw"}})
assert client.containers.run(image, ["cat", "/v/f"], remove=True, volumes={stem: {"bind": "/v", "mode": "ro"}}) == b"kept\n"
assert client.volumes.get(stem).attrs["Labels"] == {"a": "b"}
volume.remove()
step("volumes")

network = client.networks.create(stem, driver="bridge", labels={"n": "1"})
box = client.containers.run(image, ["sleep", "1000"], detach=True, network=stem)
network.reload()
assert [c.id for c in network.containers] == [box.id]
network.disconnect(box)
network.connect(box)
box.remove(force=True)
network.remove()
step("networks")

try:
    client.containers.get("gt-no-such")
    raise AssertionError("found what is not there")
except docker.errors.NotFound as error:
    assert "No such container: gt-no-such" in str(error)
events = client.events(since=0, until=time.time(), decode=True, filters={"container": stem + "x"})
actions = [event["Action"] for event in events]
assert actions[:1] == ["create"] or "destroy" in actions, actions
step("events and errors")
