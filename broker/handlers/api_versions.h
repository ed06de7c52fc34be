// broker/handlers/api_versions.h
//
// The part of ApiVersions that the registry needs before a request can be decoded.
#pragma once

#include "broker/handlers/request_context.h"

namespace quorate {

// Answers in version 0: UNSUPPORTED_VERSION, and the range of ApiVersions alone (KIP-511).
void AnswerUnknownApiVersionsVersion(const RequestContext& context, Responder responder);

}  // namespace quorate
