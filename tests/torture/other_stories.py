"""What comes by other ways than files do: attachments of chat, and archives that are fetched."""

import hashlib
import json
import random
from pathlib import Path

from tests.torture.callers import Caller, Unexpected
from tests.torture.stories import State, Step, Story, World
from tests.web.forms import form, part
from transfer_service.wire.ranges import Span


class Attached(Story):
    """A message with an attachment, sometimes deleted."""

    door = "attached"
    conversation_id = ""

    def play(self, world: World) -> None:
        self.message_id, self.media = "", ""
        body = form(
            part("conversation_id", self.conversation_id.encode()), part("file", self.data, filename=self.name.encode())
        )
        with self.step(world, State(content=self.data), is_durable=True):
            headers = {"Content-Type": body["content_type"]}
            answer = world.call("POST", "/messages/upload", headers=headers, data=body["data"]).must_be(200, 201)
            self.message_id, self.media = answer.fields["message"]["_id"], answer.fields["message"]["media_url"]
        if self.is_left:
            with self.step(world, State(is_gone=True), is_durable=True):
                world.call("DELETE", f"/messages/{self.message_id}").must_be(200)

    def judge(self, call: Caller, position: int, level: str) -> list[str]:
        done, open_steps = self.before(position), self.under_way(position)
        if not self.media or not done:
            return []
        return self._content_faults(self._fetch(call), done, open_steps, level, may_be_missing=False)

    def _fetch(self, call: Caller) -> bytes | None:
        answer = call("GET", self.media).must_be(200, 404)
        return answer.body if answer.status == 200 else None


class Posted(Attached):
    """A file that becomes an attachment, and is kept or not: it is here or there, and never nowhere."""

    door = "posted"

    def play(self, world: World) -> None:
        self.message_id = ""
        self.is_kept = self.chance.random() < 0.4
        self.begun: Step | None = None
        headers = {"Content-Type": "application/octet-stream"}
        with self.step(world, State(content=self.data)):
            answer = world.call("POST", "/api/files", query={"filename": self.name}, headers=headers, data=self.data)
            file_id = answer.must_be(201).fields["file_id"]
        fields = {"conversation_id": self.conversation_id, "content": self.name, "file_id": file_id}
        body = json.dumps({**fields, "keep": self.is_kept}).encode()
        with self.step(world, State(content=self.data), is_durable=True):
            self.begun = self.steps[-1]
            answer = world.call("POST", "/messages", headers={"Content-Type": "application/json"}, data=body)
            self.message_id = answer.must_be(200).fields["message"]["_id"]
        if self.is_left:
            with self.step(world, State(is_gone=True), is_durable=True):
                world.call("DELETE", f"/messages/{self.message_id}").must_be(200)

    def judge(self, call: Caller, position: int, level: str) -> list[str]:
        done, open_steps = self.before(position), self.under_way(position)
        if not done and not open_steps:
            return []
        file, sent = self._download(call), self._sent(call)
        is_sent = self.begun in done
        if self.begun not in [*done, *open_steps]:
            return self._content_faults(file, done, open_steps, level)
        faults = [
            f"{self.name}: its {what} has {len(found)} wrong bytes"
            for what, found in (("file", file), ("attachment", sent))
            if found not in {None, self.data}
        ]
        if is_sent:
            faults += self._content_faults(sent, done[1:], open_steps, level, may_be_missing=False)
        is_promised = bool(done) and level != "process"  # of a backup that began before both steps nothing is
        if file is None and sent is None and not is_sent and is_promised:
            faults.append(f"{self.name}: neither the file nor the message is there")
        if not self.is_kept and file is not None and (sent is not None or is_sent):
            faults.append(f"{self.name}: the file is still there")
        if self.is_kept and file is None and (is_sent or is_promised):
            faults.append(f"{self.name}: the file that was kept is gone")
        return faults

    def _sent(self, call: Caller) -> bytes | None:
        """What the message has, if it was posted, as its sender finds it."""
        query = {"conversation_id": self.conversation_id, "limit": "100"}
        while page := call("GET", "/messages/get", query=query).must_be(200).fields["messages"]:
            for message in page:
                if message["content"] == self.name:
                    answer = call("GET", message["media_url"]).must_be(200, 404)
                    return answer.body if answer.status == 200 else b"missing"
            query["before"] = page[-1]["_id"]
        return None


class Fetched(Story):
    """A remote download of an archive that exists."""

    door = "fetched"

    def __init__(self, number: int, chance: random.Random, *, game_id: str, data_id: int, sha256: str) -> None:
        super().__init__(number, chance)
        self.game_id, self.data_id, self.sha256 = game_id, data_id, sha256
        self.completed: Step | None = None

    def play(self, world: World) -> None:
        body = json.dumps({"gameDataId": self.data_id}).encode()
        headers = {"Content-Type": "application/json"}
        with self.step(world, State()):
            world.call("POST", f"/api/downloads/{self.game_id}/download", headers=headers, data=body).must_be(202)

    def look(self, world: World) -> None:
        """Note whether it is told to be completed."""
        before = world.clock()
        if self.completed is None and self._status(world.call) == "completed":
            self.completed = Step(before, State(), ended=world.clock())

    def _status(self, call: Caller) -> str:
        jobs = call("GET", "/api/downloads").must_be(200).fields["downloads"]
        return next((str(job["status"]) for job in jobs if job["gameId"] == self.game_id), "none")

    def judge_archive(self, call: Caller, position: int, games: Path) -> list[str]:
        """What is wrong with the archive: whatever is told to be completed is whole, and stays so."""
        status, archive = self._status(call), games / f"{self.data_id}.zip"
        digest = hashlib.sha256(archive.read_bytes()).hexdigest() if archive.exists() else None
        was_told = self.completed is not None and (self.completed.ended or 0) <= position
        faults = []
        if was_told and status != "completed":
            faults.append(f"{self.name}: it was completed, and is {status}")
        if status == "completed" and digest != self.sha256:
            faults.append(f"{self.name}: its archive is {'missing' if digest is None else 'another one'}")
        return faults

    def resume(self, call: Caller) -> bool:  # noqa: ARG002 - a story's
        raise Unexpected("the worker does that")

    def check_kept(self, call: Caller, sent: tuple[Span, ...]) -> None:
        """Whatever is in the part is compared with the digest."""
