"""The platform's typed settings: one default each, changed by file, environment or command line, in rising precedence.

The file is ``emberline.toml`` in the working folder; the environment's names are ``EMBERLINE_`` plus the field in capitals
(``EMBERLINE_SPARK_MASTER``); the command line is ``--set field=value`` of an app's steps and of the commands of infra.
"""

import os
import re
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)


class Settings(BaseSettings):
    """Every address, folder and limit that a deployment may change."""

    model_config = SettingsConfigDict(env_prefix="EMBERLINE_", toml_file="emberline.toml", extra="forbid", frozen=True)

    state: Path = Field(default=Path("state"), description="the one folder for everything the platform writes")
    spark_master: str = Field(default="local[2]", description="Spark master of steps started by hand")
    driver_memory: str = Field(default="1g", description="heap of a step's Spark driver")
    driver_address: str = Field(
        default="127.0.0.1", description="IP address at which executors reach a step's driver, on which it listens"
    )
    driver_pod: str = Field(
        default="",
        description="Kubernetes pod that a step's driver is in, which then owns its executors' pods; empty: none",
    )
    spark_ui: bool = Field(
        default=False,
        description="whether a step's Spark UI listens on driver_address while the step lives, to anybody there",
    )
    warehouse: str = Field(default="", description="folder or URI of the Hive tables; empty: state/warehouse")
    metastore: str = Field(default="", description="thrift://host:port of a Hive metastore; empty: embedded on Derby")
    landing: str = Field(default="", description="folder or URI where source files arrive; empty: state/landing")
    registry: str = Field(default="", description="folder of published models; empty: state/registry")
    hbase_thrift: str = Field(
        default="", description="HBase's Thrift servers, host:port,host:port, one a region server; empty: embedded"
    )
    hbase_tls: bool = Field(default=False, description="TLS to the Thrift servers; not supported yet")
    hbase_kerberos: bool = Field(default=False, description="Kerberos to the Thrift servers; not supported yet")
    airflow_host: str = Field(default="127.0.0.1", description="address Airflow's UI listens on")
    airflow_port: int = Field(default=0, ge=0, le=65535, description="port of Airflow's UI; 0: a free one")
    mail_to: str = Field(
        default="", description="whom Airflow writes to when a run fails, by its connection smtp_default; empty: nobody"
    )
    event_log_days: int = Field(default=7, ge=0, description="days that Spark event logs are kept")
    log_days: int = Field(default=30, ge=0, description="days that Airflow's logs of a run are kept")
    frame_days: int = Field(default=30, ge=0, description="days that a run's frames are kept, once nobody writes them")
    report_days: int = Field(default=365, ge=0, description="days that reports are kept")
    versions_kept: int = Field(
        default=50, ge=1, description="published versions kept beside the champion, its predecessors and pinned ones"
    )

    @field_validator("state", mode="before")
    @classmethod
    def _absolute(cls, value: str | Path) -> Path:
        return Path(value or "state").expanduser().resolve()

    def model_post_init(self, _: Any) -> None:
        for name in ("warehouse", "landing", "registry"):
            if not getattr(self, name):
                object.__setattr__(self, name, str(self.state / name))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = TomlConfigSettingsSource(settings_cls)
        if "state" in file.toml_data:  # make, set-up and clean read no settings: they would go on with another folder
            raise ValueError("emberline.toml must not name `state`; set EMBERLINE_STATE in the environment instead")
        return init_settings, env_settings, file

    @property
    def events(self) -> Path:
        """Where each Spark session leaves the log of its events."""
        return self.state / "spark" / "events"

    @property
    def runs(self) -> Path:
        """Where each run keeps its outcomes and intermediate files."""
        return self.state / "runs"

    @property
    def reports(self) -> Path:
        """Where each run leaves its HTML report."""
        return self.state / "reports"

    def environment(self) -> dict[str, str]:
        """The settings as another process of the platform reads them."""
        return {f"EMBERLINE_{name.upper()}": str(value) for name, value in self.model_dump().items()}

    def keep_private(self) -> None:
        """Make the state folder, and let nobody but its user into it."""
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.state.stat().st_uid == os.geteuid():
            self.state.chmod(0o700)

    def run_folder(self, app: str, run: str) -> Path:
        """One run's own folder, named by its id so that no two ids share one, and none leads out of it."""
        return self.runs / app / quoted(run)

    def spark_uis(self, app: str, run: str) -> Path:
        """Where the steps of a run that are at work leave the addresses of their Spark UIs, a file a step."""
        return self.run_folder(app, run) / "spark-ui"

    def report_file(self, app: str, run: str) -> Path:
        """One run's report."""
        return self.reports / app / f"{quoted(run)}.html"


def quoted(name: str) -> str:
    """A name for a file: letters, digits and ``+-_.`` stay, all else (and a dot or line at the start) is ``~`` and its bytes.

    Different names stay different, and none is hidden, a path, or a pattern.
    """
    found = re.sub(r"^[._]|[^A-Za-z0-9+._-]", lambda bad: "".join(f"~{byte:02X}" for byte in bad[0].encode()), name)
    if not 1 <= len(found) <= 200:
        raise ValueError(f"a run's id must give a file name of 1 to 200 letters, got {len(found)} of {name!r}")
    return found


def load(overrides: list[str] | None = None) -> Settings:
    """Read the settings, with ``field=value`` pairs of the command line last."""
    pairs: dict[str, Any] = {}
    for override in overrides or []:
        name, separator, value = override.partition("=")
        if not separator or name not in Settings.model_fields:
            raise ValueError(
                f"--set takes field=value with a field of {sorted(Settings.model_fields)}, got {override!r}"
            )
        pairs[name] = value
    return Settings(**pairs)
