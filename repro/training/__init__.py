"""The GRPO job: trainer on TRL, evaluation, cost ledger, and the job that ties one cell together."""
