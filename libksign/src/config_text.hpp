// A .config as text, of which single lines change and nothing else.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace ksign {

/// Kconfig's own format (scripts/kconfig/confdata.c): "CONFIG_X=value", "# CONFIG_X is not set"; the last line of an
/// option counts. Names are without "CONFIG_".
class ConfigText {
  public:
    explicit ConfigText(std::string text) : text_(std::move(text)) {}

    [[nodiscard]] const std::string& text() const noexcept { return text_; }
    /// A value without its quotes; nothing if the option is not set or not there.
    [[nodiscard]] std::optional<std::string> value(std::string_view name) const;

    /// Sets an option to what Kconfig writes as is: y, m, 64. Returns whether that changed a byte.
    bool set(std::string_view name, std::string_view value);
    /// Sets a string option; quotes it.
    bool set_string(std::string_view name, std::string_view value);
    /// Writes "is not set" for an option that has a value; one that is not there stays so.
    bool unset(std::string_view name);

  private:
    struct Line {
        std::size_t start;
        std::size_t length; ///< Without the line end.
    };
    [[nodiscard]] std::optional<Line> find(std::string_view name) const;
    bool replace(std::string_view name, const std::string& line);

    std::string text_;
};

} // namespace ksign
