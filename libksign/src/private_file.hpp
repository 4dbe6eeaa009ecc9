// Files that nobody but their owner is to get at: keys, passphrases, PINs.
#pragma once

#include <sys/stat.h>

#include <string>

namespace ksign {

/// Throws Error (key) if others than owner and group may read a file, if others than the owner may write to it, or if
/// anybody may put another one in its place; the remedy is the command that mends it. A pipe counts as a file, but is
/// in no folder; a terminal does not.
/// @param status  what the file was when it was opened
void expect_private_file(const std::string& path, const struct stat& status);

} // namespace ksign
