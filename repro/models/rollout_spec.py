"""The fields of what makes completions: Hugging Face generate or vLLM."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from repro.fields import LONGEST_COMPLETION, Strict


class RolloutSpec(Strict):
    """The engine behind rollouts, probes, pass rates, labels and evaluations."""

    engine: Literal["hf", "vllm"] = Field("hf", description="hf: generate of the policy itself; vllm: a copy in vLLM")
    mode: Literal["colocate", "server"] = Field(
        "colocate", description="colocate: vLLM in the trainer's process; server: a `vllm serve` elsewhere"
    )
    memory: float = Field(0.3, ge=0.01, le=1, description="colocate: share of the GPU's memory that vLLM may take")
    context: int | None = Field(
        None,
        ge=1,
        le=2 * LONGEST_COMPLETION,
        description="colocate: longest prompt and completion together (default: the model's own)",
    )
    sequences: int = Field(256, ge=1, le=100_000, description="colocate: completions that vLLM decodes at a time")
    server: str | None = Field(None, description="server: its URL, e.g. http://localhost:8000")
    dtype: Literal["policy", "float32", "bfloat16", "float16"] = Field(
        "policy", description="colocate: number format of vLLM's weights (policy: that of the policy's)"
    )
    check_sync: int = Field(
        1,
        ge=0,
        le=1_000_000,
        description="compare log-probs of vLLM and policy after every n-th weight sync (0: never)",
    )

    @model_validator(mode="after")
    def _server_has_url(self) -> RolloutSpec:
        if (self.mode == "server") != (self.server is not None):
            found = (
                "mode server without server" if self.server is None else f"server {self.server!r} with mode colocate"
            )
            raise ValueError(f"got {found}, expected mode server with the server's URL, or neither")
        if self.server is not None and not self.server.startswith(("http://", "https://")):
            raise ValueError(f"got server {self.server!r}, expected a URL such as http://localhost:8000")
        return self

    def result_fields(self) -> dict[str, Any]:
        """The fields that change what is sampled, {} for `hf`: where vLLM runs and how it is checked does not."""
        if self.engine == "hf":
            return {}
        chosen = self.mode == "colocate" and self.dtype != "policy"
        return {"engine": self.engine, **({"dtype": self.dtype} if chosen else {})}

    def cache_fields(self) -> dict[str, Any]:
        """What enters the cache key of whatever is sampled; nothing for `hf`."""
        fields = self.result_fields()
        return {"rollout": fields} if fields else {}

    def for_other_policies(self) -> RolloutSpec:
        """The engine of policies that are not trained: a server holds only the one that is."""
        return self if self.mode == "colocate" else RolloutSpec()
