"""Files of folders that are replaced, moved, deleted, brought back, removed for good: each is in one place, or gone."""

import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tests.torture.callers import Caller, Unexpected
from tests.torture.chunk_stories import OCTETS
from tests.torture.stories import State, Step, Story, World
from transfer_service.wire.ranges import Span

JSON = {"Content-Type": "application/json"}
Place = tuple[str, str, str]
"""`file` or `trash`, a name, a SHA-256."""


@dataclass(frozen=True)
class Places(State):
    """Everything of a story, in the one place or the other."""

    places: frozenset[Place] = frozenset()


class Placed(Story):
    """Two files in a folder, and what becomes of them. All of a step has happened, or nothing."""

    door = "placed"

    def play(self, world: World) -> None:
        self.root = self.name.removesuffix(".bin")
        self.files: dict[str, tuple[str, str]] = {}
        self.trash: dict[str, tuple[str, str]] = {}
        self.folder = "one"
        for label in ("a.bin", "b.bin"):
            self.store(world, f"{self.root}/{self.folder}/{label}")
        calls = [
            self.replace,
            self.delete,
            self.delete,
            self.move,
            self.move,
            self.restore,
            self.purge,
            self.delete_all,
        ]
        for _ in range(self.chance.randint(3, 7)):
            self.chance.choice(calls)(world)

    def store(self, world: World, name: str, *, overwrite: bool = False) -> None:
        data = self.chance.randbytes(self.chance.choice([3, 9_000, 60_000]))
        digest = hashlib.sha256(data).hexdigest()
        before = self.files.get(name)
        files = {**self.files, name: (digest, "")}
        trash = {**self.trash, **({before[1]: (name, before[0])} if before else {})}
        query = {"filename": name, **({"overwrite": "true"} if overwrite else {})}
        is_durable = overwrite or world.level != "process"
        with self.places(world, files, trash, is_durable=is_durable):
            answer = world.call("POST", "/api/files", query=query, headers=OCTETS, data=data).must_be(201)
        self.files = {**files, name: (digest, str(answer.fields["file_id"]))}

    def places(
        self,
        world: World,
        files: dict[str, tuple[str, str]],
        trash: dict[str, tuple[str, str]],
        *,
        is_durable: bool = True,
    ) -> AbstractContextManager[None]:
        """The request inside puts everything there."""
        self.files, self.trash = files, trash
        found = {("file", name, digest) for name, (digest, _) in files.items()}
        found |= {("trash", name, digest) for name, digest in trash.values()}
        return self.step(world, Places(places=frozenset(found)), is_durable=is_durable)

    def replace(self, world: World) -> None:
        if self.files:
            self.store(world, self.chance.choice(sorted(self.files)), overwrite=True)

    def delete(self, world: World) -> None:
        if self.files:
            name = self.chance.choice(sorted(self.files))
            digest, file_id = self.files[name]
            files = {each: facts for each, facts in self.files.items() if each != name}
            with self.places(world, files, {**self.trash, file_id: (name, digest)}):
                world.call("DELETE", f"/api/files/{name}").must_be(200)

    def delete_all(self, world: World) -> None:
        if not self.files:  # then the folder may be gone too
            return
        trash = {file_id: (name, digest) for name, (digest, file_id) in self.files.items()}
        with self.places(world, {}, {**self.trash, **trash}):
            world.call("DELETE", f"/api/folders/{self.root}", query={"recursive": "true"}).must_be(204)

    def move(self, world: World) -> None:
        inside = f"{self.root}/{self.folder}/"
        if any(name.startswith(inside) for name in self.files):
            old, self.folder = self.folder, f"{self.folder}x"
            files = {name.replace(inside, f"{self.root}/{self.folder}/"): facts for name, facts in self.files.items()}
            body = json.dumps({"path": f"{self.root}/{self.folder}"}).encode()
            with self.places(world, files, self.trash, is_durable=False):
                world.call("PATCH", f"/api/folders/{self.root}/{old}", headers=JSON, data=body).must_be(200)

    def rename(self, world: World) -> None:
        if self.files:
            old = self.chance.choice(sorted(self.files))
            new = f"{self.root}/{self.folder}/{len(self.steps)}-renamed.bin"
            files = {new if name == old else name: facts for name, facts in self.files.items()}
            path, body = f"/api/files/{self.files[old][1]}", json.dumps({"filename": new}).encode()
            with self.places(world, files, self.trash, is_durable=False):
                world.call("PATCH", path, headers=JSON, data=body).must_be(200)

    def restore(self, world: World) -> None:
        if self.trash:
            file_id = self.chance.choice(sorted(self.trash))
            _, digest = self.trash[file_id]
            name = f"{self.root}/{self.folder}/{len(self.steps)}.bin"
            trash = {each: facts for each, facts in self.trash.items() if each != file_id}
            body = json.dumps({"filename": name}).encode()
            with self.places(world, {**self.files, name: (digest, file_id)}, trash):
                world.call("POST", f"/api/trash/{file_id}/restore", headers=JSON, data=body).must_be(200)

    def purge(self, world: World) -> None:
        if self.trash:
            file_id = self.chance.choice(sorted(self.trash))
            with self.places(world, self.files, {key: each for key, each in self.trash.items() if key != file_id}):
                world.call("DELETE", f"/api/trash/{file_id}").must_be(204)

    def judge(self, call: Caller, position: int, level: str) -> list[str]:
        done, open_steps = self.before(position), self.under_way(position)
        if not done and not open_steps:
            return []
        durable = [number for number, step in enumerate(done) if step.is_durable]
        counting = [*done[durable[-1] if durable else 0 :], *open_steps]
        allowed = [_places(step) for step in counting] + ([] if durable else [frozenset[Place]()])
        found = self._find(call)
        agrees: Callable[[frozenset[Place]], bool] = found.__le__ if level == "process" else found.__eq__
        if not any(map(agrees, allowed)):
            return [f"{self.name}: {sorted(found)}, after {len(done)} of {len(self.steps)} steps: {sorted(allowed[0])}"]
        return self._restore_faults(call) if level != "process" else []

    def _find(self, call: Caller) -> frozenset[Place]:
        found: set[Place] = set()
        query = {"limit": "1000", "prefix": f"{self.root}/", "status": "complete"}
        for file in call("GET", "/api/files", query=query).must_be(200).fields["files"]:
            answer = call("GET", f"/api/files/{file['file_id']}/download").must_be(200)
            found.add(("file", file["filename"], hashlib.sha256(answer.body).hexdigest()))
        return frozenset(found | {("trash", file["filename"], file["sha256"]) for file in self._in_trash(call)})

    def _in_trash(self, call: Caller) -> list[dict[str, str]]:
        files = call("GET", "/api/trash", query={"limit": "1000"}).must_be(200).fields["files"]
        return [file for file in files if file["filename"].startswith(f"{self.root}/")]

    def _restore_faults(self, call: Caller) -> list[str]:
        """What was in the trash can be had back, with its bytes."""
        faults = []
        for file in self._in_trash(call):
            call("POST", f"/api/trash/{file['file_id']}/restore").must_be(200)
            answer = call("GET", f"/api/files/{file['file_id']}/download")
            if answer.status != 200 or hashlib.sha256(answer.body).hexdigest() != file["sha256"]:
                faults.append(f"{self.name}: {file['filename']} has come back with {answer.status}")
        return faults

    def resume(self, call: Caller) -> bool:  # noqa: ARG002 - a story's
        raise Unexpected("nothing of it is under way")

    def check_kept(self, call: Caller, sent: tuple[Span, ...]) -> None:
        """Nothing of it is sent in pieces."""


def _places(step: Step) -> frozenset[Place]:
    assert isinstance(step.state, Places)
    return step.state.places
