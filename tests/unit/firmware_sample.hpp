// UEFI variables below a root of one's own.
#pragma once

#include "bytes.hpp"
#include "kernel_root.hpp"

#include <initializer_list>
#include <string>
#include <vector>

namespace ksign::test {

/// EFI_SIGNATURE_LIST of one type.
inline Bytes signature_list(std::initializer_list<unsigned> guid, const std::vector<Bytes>& entries) {
    Bytes list;
    for (const Bytes& entry : entries) {
        const auto number = [](std::size_t value) {
            return bytes_from({static_cast<unsigned>(value & 0xffU), static_cast<unsigned>(value >> 8U & 0xffU), 0, 0});
        };
        list = joined({list, bytes_from(guid), number(28 + 16 + entry.size()), number(0), number(16 + entry.size()),
                       Bytes(16), entry});
    }
    return list;
}

inline const std::initializer_list<unsigned> x509{0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a,
                                                  0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72};
inline const std::initializer_list<unsigned> x509_sha256{0x92, 0xa4, 0xd2, 0x3b, 0xc0, 0x96, 0x79, 0x40,
                                                         0xb4, 0x20, 0xfc, 0xf9, 0x8e, 0xf1, 0x03, 0xed};

/// Writes a variable; its owner is the one that such a name has. By default it lasts until the next boot.
inline void variable(const KernelRoot& root, const std::string& name, const Bytes& content, unsigned attributes = 6) {
    const std::string guid = name == "db" || name == "dbx"                 ? "d719b2cb-3d3a-4596-a3bc-dad00e67656f"
                             : name == "SecureBoot" || name == "SetupMode" ? "8be4df61-93ca-11d2-aa0d-00e098032b8c"
                                                                           : "605dab50-e046-4300-abb6-3dd810dd8b23";
    root.file("sys/firmware/efi/efivars/" + name + "-" + guid,
              text_of(joined({bytes_from({attributes, 0, 0, 0}), content})));
}

} // namespace ksign::test
