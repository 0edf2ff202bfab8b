"""One file per step; `connection.REVISION` names the newest."""
