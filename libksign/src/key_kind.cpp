#include "key_kind.hpp"

#include <openssl/err.h>
#include <strings.h>

#include <algorithm>
#include <array>
#include <string>

namespace ksign {
namespace {

struct Row {
    KeyKind kind;
    std::string_view name;
    std::string_view family;
    KeyKindParameters parameters;
};

constexpr std::array rows{
    Row{KeyKind::rsa_2048, "rsa-2048", "rsa", {"RSA", 2048, nullptr}},
    Row{KeyKind::rsa_3072, "rsa-3072", "rsa", {"RSA", 3072, nullptr}},
    Row{KeyKind::rsa_4096, "rsa-4096", "rsa", {"RSA", 4096, nullptr}},
    Row{KeyKind::p_256, "p-256", "ec", {"EC", 0, "prime256v1"}},
    Row{KeyKind::p_384, "p-384", "ec", {"EC", 0, "secp384r1"}},
    Row{KeyKind::p_521, "p-521", "ec", {"EC", 0, "secp521r1"}},
    Row{KeyKind::ml_dsa_44, "ml-dsa-44", "mldsa", {"ML-DSA-44", 0, nullptr}},
    Row{KeyKind::ml_dsa_65, "ml-dsa-65", "mldsa", {"ML-DSA-65", 0, nullptr}},
    Row{KeyKind::ml_dsa_87, "ml-dsa-87", "mldsa", {"ML-DSA-87", 0, nullptr}},
};

const Row& row_of(KeyKind kind) noexcept {
    for (const Row& row : rows) {
        if (row.kind == kind) {
            return row;
        }
    }
    return rows.front(); // no other value exists
}

bool is_of(const EVP_PKEY* key, const KeyKindParameters& parameters) {
    if (EVP_PKEY_is_a(key, parameters.algorithm) != 1) {
        return false;
    }
    if (parameters.curve == nullptr) {
        return parameters.bits == 0 || EVP_PKEY_get_bits(key) == static_cast<int>(parameters.bits);
    }
    std::array<char, 64> group{};
    std::size_t size = 0;
    return EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) == 1 &&
           std::string_view(group.data(), size) == parameters.curve;
}

} // namespace

std::string_view key_kind_name(KeyKind kind) noexcept {
    return row_of(kind).name;
}

std::optional<KeyKind> parse_key_kind(std::string_view name) noexcept {
    for (const Row& row : rows) {
        if (row.name.size() == name.size() && ::strncasecmp(row.name.data(), name.data(), name.size()) == 0) {
            return row.kind;
        }
    }
    return std::nullopt;
}

std::vector<std::string_view> key_kind_names() {
    std::vector<std::string_view> names;
    names.reserve(rows.size());
    for (const Row& row : rows) {
        names.push_back(row.name);
    }
    return names;
}

std::string_view key_kind_family(KeyKind kind) noexcept {
    return row_of(kind).family;
}

bool can_make_key(KeyKind kind) noexcept {
    const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, key_kind_parameters(kind).algorithm, nullptr));
    const bool can = context && EVP_PKEY_keygen_init(context.get()) == 1;
    ERR_clear_error();
    return can;
}

KeyKindParameters key_kind_parameters(KeyKind kind) noexcept {
    return row_of(kind).parameters;
}

bool is_rsa_length(int bits) noexcept {
    // The modulus in bytes, of which mpi_get_size() counts whole limbs.
    constexpr int limb_bits = 64;
    const int rounded = (bits + limb_bits - 1) / limb_bits * limb_bits;
    constexpr std::array known{512, 1024, 1536, 2048, 3072, 4096};
    return std::ranges::find(known, rounded) != known.end();
}

std::optional<KeyKind> kind_of_key(const EVP_PKEY* key) {
    for (const Row& row : rows) {
        if (is_of(key, row.parameters)) {
            return row.kind;
        }
    }
    return std::nullopt;
}

} // namespace ksign
