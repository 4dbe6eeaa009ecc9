// Small files of text, as configurations are.
#pragma once

#include <ksign/export.hpp>

#include <cstddef>
#include <filesystem>
#include <string>

namespace ksign {

/// A file's whole text, links followed. Throws Error (system; usage: a named pipe, which may have nobody who writes to
/// it; limit: more than @p limit bytes). A folder is an error as well.
[[nodiscard]] KSIGN_EXPORT std::string read_text_file(const std::filesystem::path& file, std::size_t limit);

} // namespace ksign
