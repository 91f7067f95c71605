"""Errors with the bodies that a real vCenter sends; ids marked invented have no source."""

from typing import Literal

from tests.simulator.wire import Message


class ApiError(Exception):
    """An error that the vCenter answers with: HTTP status, `error_type` and messages."""

    def __init__(self, status: int, error_type: str, *messages: Message) -> None:
        super().__init__(error_type)
        self.status = status
        self.error_type = error_type
        self.messages = messages
        self.challenge: str | None = None

    def body(self) -> dict[str, object]:
        """The JSON body."""
        found: dict[str, object] = {"error_type": self.error_type, "messages": list(self.messages)}
        return found | ({"challenge": self.challenge} if self.challenge else {})


def message(identity: str, text: str, *args: str, localized: bool = False) -> Message:
    """A LocalizableMessage; `text` holds the arguments already."""
    found: Message = {"args": list(args), "default_message": text, "id": identity}
    if localized:
        found["localized"] = text
    return found


class VimFault(ApiError):
    """A fault of the VI/JSON API, by the name of its type."""

    def body(self) -> dict[str, object]:
        """The JSON body."""
        return {"_typeName": self.error_type, "faultstring": ""}


def unauthenticated() -> ApiError:
    """No session, a dead one, or a refused login (seen live on 9.1)."""
    text = "Authentication required."
    return ApiError(
        401, "UNAUTHENTICATED", message("com.vmware.vapi.endpoint.method.authentication.required", text)
    )


def login_refused() -> ApiError:
    """A wrong password, or a locked account: the vCenter doesn't say which."""
    error = unauthenticated()
    error.challenge = 'Basic realm="VAPI endpoint",SIGN realm="VAPI endpoint",service="VAPI endpoint"'
    return error


def unauthorized() -> ApiError:
    """A missing privilege."""
    return ApiError(
        403, "UNAUTHORIZED", message("vapi.security.authorization.invalid", "Unable to authorize user")
    )


def http_not_found() -> ApiError:
    """An unknown route: what a vCenter older than 8.0 U3 answers for installed images (seen live)."""
    return ApiError(404, "NOT_FOUND", message("com.vmware.vapi.rest.httpNotFound", "Not found."))


def entity_not_found(identity: str, kind: str = "cluster") -> ApiError:
    """An unknown cluster (seen in govmomi's tests)."""
    text = f"Entity '{identity}' does not exist or is not of type '{kind}'."
    known = "com.vmware.vcIntegrity.lifecycle.RequireAdminUserAuthz.EntityNotFound"
    return ApiError(404, "NOT_FOUND", message(known, text, identity, kind, localized=True))


def no_report(cluster: str) -> ApiError:
    """Nothing was extracted yet, by the reading that siblings of this endpoint follow (id invented)."""
    text = f"No installed images were extracted for cluster '{cluster}'."
    known = "com.vmware.vcIntegrity.lifecycle.InstalledImages.NotFound"
    return ApiError(404, "NOT_FOUND", message(known, text, cluster, localized=True))


def no_task(task: str) -> ApiError:
    """An unknown task (id invented)."""
    return ApiError(
        404, "NOT_FOUND", message("com.vmware.vapi.tasks.not_found", f"Task {task} not found.", task)
    )


def not_eligible(cluster: str) -> ApiError:
    """400 Unsupported: a host does not meet the criteria for a transition to images (id invented)."""
    text = f"A host of cluster '{cluster}' does not meet the vLCM transition eligibility criteria."
    known = "com.vmware.vcIntegrity.lifecycle.InstalledImages.Unsupported"
    return ApiError(400, "UNSUPPORTED", message(known, text, cluster, localized=True))


def invalid_argument(what: str) -> ApiError:
    """A parameter that the operation can't take (id invented)."""
    text = f"Invalid value for {what}."
    return ApiError(400, "INVALID_ARGUMENT", message("vapi.invalid.argument", text, what))


def too_many() -> ApiError:
    """More objects match than a list may hold: 500 on /api (documented), without messages (seen)."""
    return ApiError(500, "UNABLE_TO_ALLOCATE_RESOURCE")


def internal() -> ApiError:
    """Lifecycle Manager's depot is broken (seen in govmomi's tests)."""
    text = "A depot is inaccessible or has invalid contents. Make sure an official depot source is used."
    return ApiError(
        500, "ERROR", message("com.vmware.vcIntegrity.lifecycle.depotContent.ValidationError", text)
    )


def unavailable() -> ApiError:
    """503 in the API's own shape; no real body is known (id invented)."""
    text = "The service is not available."
    return ApiError(503, "SERVICE_UNAVAILABLE", message("com.vmware.vapi.endpoint.failedToLogin", text))


def sessions_used_up() -> ApiError:
    """503 at login while as many sessions are open as there may be (id of public reports, text invented)."""
    text = "The maximum number of user sessions was reached."
    known = "com.vmware.vapi.endpoint.failedToLoginMaxUserSessionCountReached"
    return ApiError(503, "SERVICE_UNAVAILABLE", message(known, text))


def operation_not_found() -> ApiError:
    """404 of a service that is there and does not serve the operation yet (id and text invented)."""
    text = "Operation get was not found in service com.vmware.esx.settings.clusters.installed_images."
    return ApiError(404, "OPERATION_NOT_FOUND", message("vapi.method.input.invalid.interface", text))


type Busy = Literal["NOT_ALLOWED_IN_CURRENT_STATE", "CONCURRENT_CHANGE"]


def already_extracting(cluster: str, error_type: Busy) -> ApiError:
    """A second extraction while one runs; which of the documented errors it is, no source says."""
    text = f"Another operation is in progress on cluster '{cluster}'."
    known = "com.vmware.vcIntegrity.lifecycle.TaskError.OperationInProgress"
    status = {"NOT_ALLOWED_IN_CURRENT_STATE": 400, "CONCURRENT_CHANGE": 409}[error_type]
    return ApiError(status, error_type, message(known, text, cluster, localized=True))
