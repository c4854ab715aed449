"""GitHub on the loopback interface, with one repository: what the Marketplace asks of it."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
import io
from pathlib import PurePosixPath
from typing import Any, override
from zipfile import ZipFile

from aiohttp import web
from yarl import URL

from tests.loopback import LoopbackServer

BRANCH = "main"


@dataclass
class Release:
    """A release: the files of the repository at its tag, and the files attached to it."""

    files: Mapping[str, bytes]
    assets: Mapping[str, bytes] = field(default_factory=dict)


class GitHub(LoopbackServer):
    """A server for the API, for raw files, for downloads, and for the catalog of the Marketplace.

    The newest release is the last one in `releases`, by tag. The default branch is like it. The
    repository is in the catalog if `is_listed`. `requests` are the paths that were requested.
    """

    def __init__(self, repository: str) -> None:
        """Serve a repository, by its full name."""
        self.repository = repository
        self.releases: dict[str, Release] = {}
        self.is_listed = False
        self.requests: list[str] = []

    @property
    def url(self) -> URL:
        """Where it is reached."""
        return URL(f"http://{self.address}")

    @override
    def _make_app(self) -> web.Application:
        app = web.Application(middlewares=[self._middleware])
        repos = "/api/repos/{owner}/{name}"
        download = "/{owner}/{name}"
        app.router.add_routes(
            [
                web.post("/login/device/code", self._register_device),
                web.post("/login/oauth/access_token", self._activate_device),
                web.get("/api/rate_limit", self._rate_limit),
                web.get(repos, self._repository),
                web.get(f"{repos}/releases", self._releases),
                web.get(f"{repos}/branches/{{branch}}", self._branch),
                web.get(f"{repos}/git/trees/{{ref:.+}}", self._tree),
                web.get(f"{repos}/contents/{{path:.+}}", self._contents),
                web.get("/raw/{owner}/{name}/{ref}/{path:.+}", self._raw),
                web.get(f"{download}/releases/download/{{tag}}/{{name_of_asset}}", self._asset),
                web.get(f"{download}/archive/refs/tags/{{tag}}.zip", self._archive),
                web.get("/catalog/{section}/data.json", self._catalog),
            ]
        )
        return app

    @property
    def newest(self) -> str:
        """The tag of the newest release."""
        return [*self.releases][-1]

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append(request.path)
        owner_and_name = f"{request.match_info.get('owner')}/{request.match_info.get('name')}"
        if "owner" in request.match_info and owner_and_name != self.repository:
            raise web.HTTPNotFound
        response: web.StreamResponse = await handler(request)
        return response

    async def _register_device(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "device_code": "device",
                "user_code": "ABCD-1234",
                "verification_uri": "https://github.com/login/device",
                "expires_in": 900,
                "interval": 1,
            }
        )

    async def _activate_device(self, request: web.Request) -> web.Response:
        return web.json_response({"access_token": "gho_token", "token_type": "bearer", "scope": ""})

    async def _rate_limit(self, request: web.Request) -> web.Response:
        core = {"limit": 5000, "remaining": 5000, "reset": 0, "used": 0}
        return web.json_response({"resources": {"core": core}, "rate": core})

    async def _repository(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "id": 1,
                "full_name": self.repository,
                "name": self.repository.partition("/")[2],
                "description": "Voicemail of a PBX",
                "default_branch": BRANCH,
                "archived": False,
                "has_issues": True,
                "fork": False,
                "open_issues_count": 0,
                "stargazers_count": 0,
                "topics": ["home-assistant"],
                "pushed_at": "2026-11-26T00:00:00Z",
            }
        )

    async def _releases(self, request: web.Request) -> web.Response:
        downloads = self.url / self.repository / "releases" / "download"
        return web.json_response(
            [
                {
                    "tag_name": tag,
                    "name": tag,
                    "body": "",
                    "draft": False,
                    "prerelease": False,
                    "published_at": "2026-11-26T00:00:00Z",
                    "assets": [
                        {
                            "name": name,
                            "size": len(content),
                            "download_count": 0,
                            "browser_download_url": str(downloads / tag / name),
                        }
                        for name, content in release.assets.items()
                    ],
                }
                for tag, release in reversed(self.releases.items())
            ]
        )

    async def _branch(self, request: web.Request) -> web.Response:
        return web.json_response({"name": BRANCH, "commit": {"sha": "0123456" + "0" * 33}})

    async def _tree(self, request: web.Request) -> web.Response:
        files = self._files(request.match_info["ref"])
        folders = {str(parent) for file in files for parent in PurePosixPath(file).parents}
        return web.json_response(
            {
                "sha": "0" * 40,
                "truncated": False,
                "tree": [
                    *({"path": path, "type": "tree"} for path in sorted(folders - {"."})),
                    *({"path": path, "type": "blob"} for path in sorted(files)),
                ],
            }
        )

    async def _contents(self, request: web.Request) -> web.Response:
        content = self._file(request.query["ref"], request.match_info["path"])
        encoded = b64encode(content).decode()
        return web.json_response({"type": "file", "encoding": "base64", "content": encoded})

    async def _raw(self, request: web.Request) -> web.Response:
        return web.Response(body=self._file(request.match_info["ref"], request.match_info["path"]))

    async def _asset(self, request: web.Request) -> web.Response:
        release = self.releases.get(request.match_info["tag"], Release({}))
        content = release.assets.get(request.match_info["name_of_asset"])
        if content is None:
            raise web.HTTPNotFound
        return web.Response(body=content, content_type="application/zip")

    async def _archive(self, request: web.Request) -> web.Response:
        tag = request.match_info["tag"]
        archive = io.BytesIO()
        with ZipFile(archive, "w") as writer:
            for path, content in self._files(tag).items():
                writer.writestr(f"{self.repository.partition('/')[2]}-{tag}/{path}", content)
        return web.Response(body=archive.getvalue(), content_type="application/zip")

    async def _catalog(self, request: web.Request) -> web.Response:
        match request.match_info["section"]:
            case "removed" | "critical":
                return web.json_response([])
            case "integration" if self.is_listed:
                return web.json_response(
                    {
                        "1": {
                            "description": "Voicemail of a PBX",
                            "domain": "pbx_voicemail",
                            "etag_repository": "1",
                            "full_name": self.repository,
                            "last_fetched": 1795000000,
                            "last_updated": "2026-11-26T00:00:00Z",
                            "last_version": self.newest,
                            "manifest": {"name": "PBX Voicemail"},
                            "manifest_name": "PBX Voicemail",
                        }
                    }
                )
            case _:
                return web.json_response({})

    def _files(self, ref: str) -> Mapping[str, bytes]:
        tag = ref.removeprefix("tags/").removeprefix("refs/tags/")
        release = self.releases.get(self.newest if tag == BRANCH else tag)
        if release is None:
            raise web.HTTPNotFound
        return release.files

    def _file(self, ref: str, path: str) -> bytes:
        content = self._files(ref).get(path)
        if content is None:
            raise web.HTTPNotFound
        return content
