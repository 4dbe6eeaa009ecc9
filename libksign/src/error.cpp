#include <ksign/error.hpp>

#include <cerrno>
#include <system_error>
#include <utility>

namespace ksign {

Error::Error(ErrorCode code, std::string subject, std::string reason, std::string remedy)
    : code_(code), subject_(std::move(subject)), reason_(std::move(reason)), remedy_(std::move(remedy)),
      message_(subject_.empty() ? reason_ : subject_ + ": " + reason_) {}

// Out of line: the vtable and type information live in libksign alone, so that a catch works across libraries.
Error::~Error() = default;

Error Error::from_errno(std::string_view subject, std::string_view action, int error_number, std::string remedy) {
    std::string reason(action);
    reason += ": ";
    reason += std::generic_category().message(error_number);
    Error error(ErrorCode::system, std::string(subject), std::move(reason), std::move(remedy));
    error.denied_ = error_number == EACCES;
    return error;
}

std::string Error::with_remedy() const {
    return remedy_.empty() ? message_ : message_ + "; " + remedy_;
}

Error Error::or_remedy(const std::string& remedy) const {
    Error error(*this);
    if (error.remedy_.empty()) {
        error.remedy_ = remedy;
    }
    return error;
}

} // namespace ksign
