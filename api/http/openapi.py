"""What the OpenAPI document says of refusals: each route's possible problems (RFC 9457), and the key it wants.

Every route under ``/v1`` can be refused by the guard and by the schema of its body; the rest follows from its path and
method. Knows no route.
"""

from collections.abc import Collection, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

REASONS: Mapping[int, str] = {
    400: "The request is malformed.",
    401: "A key is needed: `Authorization: Bearer KEY`.",
    403: "The key may not do this, or the request comes from another site's page.",
    404: "There is no such thing, or the key may not see it.",
    409: "As the document has it, and at odds with what there is: this study, its space, its budget, this server, or\n"
    "another part of the request. `detail` says the rule, the value and the cure.",
    412: "`If-Match` names a revision that has passed.",
    413: "The body is too large.",
    421: "`Host` is not a name of this server.",
    422: "Not as this document has it; `detail` and `errors` say where and which rule.",
    429: "Too much at once, or a budget of the day is used up; `Retry-After` says when to come back.",
    503: "The database is away, or the server is starting or shutting down.",
}
ALWAYS = (400, 401, 403, 421, 422, 429, 503)
PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "ProblemDetails",
    "description": "Problem details (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {
            "type": "string",
            "description": "about:blank, or urn:trialogue:error: and the error's class.",
        },
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "The rule, the value and the cure."},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}


def refusals(path: str, methods: Collection[str]) -> dict[int | str, dict[str, Any]]:
    """Return the problems that a route may answer with, as FastAPI's ``responses``."""
    changes = bool({"POST", "PUT", "DELETE"} & set(methods))
    statuses = {*ALWAYS, *((404, 409) if "{" in path else ()), *((404, 409, 412, 413) if changes else ())}
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {
        status: _answer(REASONS[status], schema, wait=status in (429, 503)) for status in sorted(statuses)
    }


def _answer(why: str, schema: Mapping[str, Any], *, wait: bool) -> dict[str, Any]:
    plain: dict[str, Any] = {"description": why, "content": {"application/problem+json": {"schema": schema}}}
    if wait:
        plain["headers"] = {
            "Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}
        }
    return plain


def document(app: FastAPI) -> dict[str, Any]:
    """Return the document, made once: FastAPI's, with our problems in place of its own."""
    if app.openapi_schema is None:
        openapi = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        parts = openapi.setdefault("components", {})
        parts["schemas"] = {
            name: schema
            for name, schema in parts.get("schemas", {}).items()
            if name not in ("HTTPValidationError", "ValidationError")
        } | {"ProblemDetails": PROBLEM}
        parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        openapi["security"] = [{"key": []}, {}]  # a server on loopback may run without keys
        app.openapi_schema = dict(_in_json_schema(openapi))
    return app.openapi_schema


def _in_json_schema(value: Any) -> Any:  # Any: JSON values
    """Return a document whose bounds have JSON Schema's names; pydantic leaves its own where a validator stands before
    them, and every client then believes that there are none."""
    if isinstance(value, Mapping):
        return {
            _BOUNDS.get(k, k) if isinstance(v, int | float) else k: _in_json_schema(v)
            for k, v in value.items()
        }
    return [_in_json_schema(inner) for inner in value] if isinstance(value, list) else value


_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
