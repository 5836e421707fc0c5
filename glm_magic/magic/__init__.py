"""The face in the cell: `%glm`, `%%glm`, `%glmcmd`."""
