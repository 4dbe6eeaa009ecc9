// cpio archives of the form newc, as initramfs files hold them.
#pragma once

#include "bytes.hpp"

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace ksign::test {

/// Names and contents.
using CpioFiles = std::vector<std::pair<std::string, Bytes>>;

inline Bytes make_cpio(const CpioFiles& files, const std::string& magic = "070701", std::size_t mode = 0100644) {
    Bytes archive;
    const auto add = [&](const std::string& name, const Bytes& content) {
        std::string header = magic;
        const std::size_t values[] = {1, mode, 0, 0, 1, 0, content.size(), 0, 0, 0, 0, name.size() + 1, 0};
        for (const std::size_t value : values) {
            char text[9];
            std::snprintf(text, sizeof(text), "%08zX", value);
            header += text;
        }
        archive = joined({archive, bytes_of(header + name), Bytes(1)});
        archive.resize((archive.size() + 3) / 4 * 4);
        archive.insert(archive.end(), content.begin(), content.end());
        archive.resize((archive.size() + 3) / 4 * 4);
    };
    for (const auto& [name, content] : files) {
        add(name, content);
    }
    add("TRAILER!!!", {});
    archive.resize((archive.size() + 511) / 512 * 512);
    return archive;
}

} // namespace ksign::test
