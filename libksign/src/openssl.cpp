#include "openssl.hpp"

#include <openssl/err.h>

#include <array>
#include <cstring>
#include <utility>

namespace ksign {

std::string take_openssl_reason() {
    std::string reason;
    while (const unsigned long code = ERR_get_error()) {
        if (!reason.empty()) {
            continue;
        }
        // A system error carries errno, which ERR_reason_error_string() leaves out.
        if (ERR_SYSTEM_ERROR(code)) {
            reason = std::strerror(ERR_GET_REASON(code));
        } else if (const char* text = ERR_reason_error_string(code)) {
            reason = text;
        } else {
            std::array<char, 256> buffer{};
            ERR_error_string_n(code, buffer.data(), buffer.size());
            reason = buffer.data();
        }
    }
    return reason.empty() ? "unknown cause" : reason;
}

Error openssl_error(ErrorCode code, std::string subject, const std::string& action, std::string remedy) {
    return {code, std::move(subject), action + ": " + take_openssl_reason(), std::move(remedy)};
}

} // namespace ksign
