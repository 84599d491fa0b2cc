"""Channels of teams: where a Slack channel, a Teams channel or another program is told what people are."""
