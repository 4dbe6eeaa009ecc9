#include "token.hpp"

#include <openssl/err.h>
#include <openssl/opensslv.h>
#include <openssl/provider.h>

// Engines are deprecated in OpenSSL 3 and gone in 4. On 3.0, as Debian 12 has it, there is no PKCS#11 provider, and
// the engine is the only way to a token. Fedora 41 and newer have their header in a package of its own,
// openssl-devel-engine, and do not define OPENSSL_NO_ENGINE without it.
#if OPENSSL_VERSION_MAJOR < 4 && !defined(OPENSSL_NO_ENGINE) && __has_include(<openssl/engine.h>)
#define KSIGN_HAVE_ENGINES
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include <openssl/engine.h>
#pragma GCC diagnostic pop
#endif

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <exception>
#include <map>
#include <utility>

namespace ksign {
namespace {

constexpr std::string_view scheme = "pkcs11:";

bool is_attribute(std::string_view attribute, std::string_view name) {
    return attribute.size() > name.size() && attribute.starts_with(name) && attribute[name.size()] == '=';
}

std::string_view value_of(std::string_view attribute) {
    return attribute.substr(attribute.find('=') + 1);
}

int hexadecimal(char digit) {
    const auto upper = static_cast<char>(std::toupper(static_cast<unsigned char>(digit)));
    return upper >= '0' && upper <= '9' ? upper - '0' : upper >= 'A' && upper <= 'F' ? upper - 'A' + 10 : -1;
}

/// Text with %XX in it, one character after the other, so that a PIN need not pass through a string.
template <typename Take> void percent_decode(std::string_view text, Take&& take) {
    for (std::size_t at = 0; at < text.size(); ++at) {
        const int high = text[at] == '%' && at + 2 < text.size() ? hexadecimal(text[at + 1]) : -1;
        const int low = high >= 0 ? hexadecimal(text[at + 2]) : -1;
        take(low >= 0 ? static_cast<char>(high * 16 + low) : text[at]);
        at += low >= 0 ? 2 : 0;
    }
}

void append_joined(std::string& text, const std::vector<std::string>& attributes, char first, char separator) {
    for (const std::string& attribute : attributes) {
        text += &attribute == &attributes.front() ? first : separator;
        text += attribute;
    }
}

/// What is being read for a caller.
struct Reading {
    std::string subject; ///< As it may be shown.
    std::string token;
    ErrorCode code;
    const char* object;      ///< "key", "certificate"
    bool wanted_pin = false; ///< The token did not give the object without.
    bool given = false;      ///< It had one.
    bool probing = false;    ///< Only to see whether it wants one.
    bool answered = false;
    bool done = false; ///< From here on it is not written to: signatures are made by many threads.
    std::exception_ptr failure = nullptr;
};

} // namespace

bool is_token_uri(std::string_view name) {
    // RFC 3986, 3.1: schemes are case-insensitive. Taken for a file, its PIN would be shown in a message.
    return name.size() >= scheme.size() && std::equal(scheme.begin(), scheme.end(), name.begin(), [](char a, char b) {
               return a == static_cast<char>(std::tolower(static_cast<unsigned char>(b)));
           });
}

std::string displayed_key(std::string_view name) {
    return is_token_uri(name) ? TokenUri(name).displayed() : std::string(name);
}

TokenUri::TokenUri(std::string_view text) {
    // RFC 7512, 2.3: attributes of the path end at "?", with ";" between them; after it there is "&". libp11 takes any
    // separator anywhere (eng_parse.c), so a PIN may stand among the attributes of the path, too.
    text.remove_prefix(std::min(scheme.size(), text.size()));
    bool in_query = false;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find_first_of(in_query ? ";&?" : ";?"), text.size());
        const std::string_view attribute = text.substr(0, end);
        if (is_attribute(attribute, "pin-value")) {
            Secret& pin = pin_value_.emplace_back();
            percent_decode(value_of(attribute), [&pin](char character) { pin.append({&character, 1}); });
        } else if (is_attribute(attribute, "pin-source")) {
            pin_source_.emplace_back(attribute);
        } else if (!attribute.empty()) {
            (in_query ? query_ : path_).emplace_back(attribute);
        }
        in_query = in_query || (end < text.size() && text[end] == '?');
        text.remove_prefix(std::min(end + 1, text.size()));
    }
}

std::string TokenUri::displayed() const {
    std::string text(scheme.substr(0, scheme.size() - 1));
    append_joined(text, path_, ':', ';');
    text += path_.empty() ? ":" : "";
    std::vector<std::string> query(query_);
    query.insert(query.end(), pin_source_.begin(), pin_source_.end());
    append_joined(text, query, '?', '&');
    return text;
}

std::string TokenUri::of_type(std::string_view type) const {
    std::vector<std::string> path;
    std::copy_if(path_.begin(), path_.end(), std::back_inserter(path), [](const std::string& attribute) {
        // The second is of the drafts of RFC 7512.
        return !is_attribute(attribute, "type") && !is_attribute(attribute, "object-type");
    });
    path.push_back("type=" + std::string(type));
    std::string text(scheme.substr(0, scheme.size() - 1));
    append_joined(text, path, ':', ';');
    append_joined(text, query_, '?', '&');
    return text;
}

std::string TokenUri::token() const {
    std::vector<std::string> naming;
    std::copy_if(path_.begin(), path_.end(), std::back_inserter(naming), [](const std::string& attribute) {
        return !is_attribute(attribute, "type") && !is_attribute(attribute, "object-type") &&
               !is_attribute(attribute, "object") && !is_attribute(attribute, "id");
    });
    std::sort(naming.begin(), naming.end());
    std::string text;
    append_joined(text, naming, ';', ';');
    return text;
}

Secret TokenUri::pin(InsecureFile insecure) const {
    if (pin_value_.size() + pin_source_.size() > 1) {
        throw Error(ErrorCode::key, displayed(), "has more than one PIN", "leave one pin-source or pin-value");
    }
    if (!pin_value_.empty()) {
        return Secret(pin_value_.front().view());
    }
    std::string path;
    percent_decode(value_of(pin_source_.front()), [&path](char character) { path += character; });
    if (path.starts_with('|')) {
        throw Error(ErrorCode::key, displayed(), "a program can't be the source of a PIN", "name a file, or a pipe");
    }
    // RFC 7512, 2.4: a file: URI, or whatever else an implementation takes; p11-kit and libp11 take a plain path.
    path.erase(0, path.starts_with("file:") ? 5 : 0);
    return Secret::from_file(path, insecure);
}

struct TokenSession::State {
    PassphraseSource source;
    InsecureFile insecure;
    std::map<std::string, std::optional<Secret>> pins = {}; ///< By token. Nothing: asked for, and there is none.
    std::map<std::string, TokenUri> pins_of_uris = {};      ///< By token; read when wanted.
    Reading reading = {};                                   ///< The last, and what the token may ask for later on.
    UiMethodHandle prompt = {};                             ///< What OpenSSL asks through.
    bool has_provider = false;
    void* engine = nullptr; ///< ENGINE*
    std::string token_of_engine_pin = {};

    [[nodiscard]] bool knows_pin(const std::string& token) const {
        return pins.contains(token) || pins_of_uris.contains(token);
    }

    const std::optional<Secret>& pin() {
        if (const auto known = pins.find(reading.token); known != pins.end()) {
            return known->second;
        }
        const auto of_uri = pins_of_uris.find(reading.token);
        std::optional<Secret> pin = of_uri != pins_of_uris.end() ? std::optional(of_uri->second.pin(insecure))
                                    : source                     ? source(reading.subject)
                                                                 : std::nullopt;
        return pins.emplace(reading.token, std::move(pin)).first->second;
    }
};

namespace {

using State = TokenSession::State;

std::string reading_remedy(const Reading& reading) {
    const std::string remedy =
        "`p11tool --list-all` shows what tokens hold; the PIN: give it with --pin-file FILE, pin-file in ksign.conf "
        "(the way that works under DKMS), KBUILD_SIGN_PIN, or pin-source in the URI";
    return reading.code == ErrorCode::key ? remedy : "name its file or URI with --certificate; " + remedy;
}

/// An error of OpenSSL's, with what else may be the cause: a token that does not know its user says of every private
/// key that there is none.
Error failure_of(const Reading& reading, const std::string& action) {
    const std::string reason = take_openssl_reason();
    if (reading.given) {
        // The provider gives no reason at all.
        return {reading.code, reading.subject,
                action + (reason == "unknown cause" ? "" : ": " + reason) + " (a wrong PIN, or no such " +
                    reading.object + "?)",
                reading_remedy(reading)};
    }
    // OpenSSL's reason is then about the question, not about the token.
    return {reading.code, reading.subject, action + ": " + (reading.wanted_pin ? "no PIN was given" : reason),
            reading_remedy(reading)};
}

/// For a key that is to be unlocked for each signature as well (CKA_ALWAYS_AUTHENTICATE).
int give_known_pin(char* buffer, int size, const State& state) {
    const auto known = state.pins.find(state.reading.token);
    if (known == state.pins.end() || !known->second || known->second->view().size() > static_cast<std::size_t>(size)) {
        return 0;
    }
    const std::string_view pin = known->second->view();
    std::memcpy(buffer, pin.data(), pin.size());
    return static_cast<int>(pin.size());
}

/// OpenSSL's question for the PIN. An empty answer is a refusal: the engine and OpenSSL's own prompt want four
/// characters at least, and the provider gives up; if told of a failure instead, it would ask on the terminal itself
/// (pkcs11-provider 1.0, session.c, token_login), where nobody sees it under DKMS.
int give_pin(char* buffer, int size, int /*writing*/, void* data) {
    auto* state = static_cast<State*>(data);
    if (state == nullptr) {
        return 0;
    }
    Reading& reading = state->reading;
    if (reading.done) {
        return give_known_pin(buffer, size, *state);
    }
    reading.wanted_pin = true;
    // A wrong one does not get better by trying again, and too many lock the token.
    if (reading.probing || std::exchange(reading.answered, true)) {
        return 0;
    }
    try {
        reading.given = state->pin().has_value();
        return give_known_pin(buffer, size, *state);
    } catch (...) {
        // Not through OpenSSL, which would keep its locks.
        reading.failure = std::current_exception();
        return 0;
    }
}

/// The first object of that kind that an OSSL_STORE gives for a URI.
StoreInfoHandle read_from_store(State& state, const std::string& uri, int kind) {
    const StoreHandle store(OSSL_STORE_open(uri.c_str(), state.prompt.get(), &state, nullptr, nullptr));
    if (!store) {
        throw failure_of(state.reading, "open the token");
    }
    OSSL_STORE_expect(store.get(), kind);
    while (OSSL_STORE_eof(store.get()) == 0) {
        StoreInfoHandle info(OSSL_STORE_load(store.get()));
        if (state.reading.failure) {
            std::rethrow_exception(state.reading.failure);
        }
        if (info && OSSL_STORE_INFO_get_type(info.get()) == kind) {
            state.reading.done = true;
            ERR_clear_error();
            return info;
        }
        if (!info && OSSL_STORE_error(store.get()) != 0) {
            break;
        }
    }
    throw failure_of(state.reading, std::string("find the ") + state.reading.object + " in the token");
}

#ifdef KSIGN_HAVE_ENGINES
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/// libp11 keeps what it asks through, beyond the session.
UI_METHOD* engine_prompt() {
    static const UiMethodHandle prompt(UI_UTIL_wrap_read_pem_callback(give_pin, 0));
    return prompt.get();
}

/// The engine of libp11, started.
ENGINE* engine_of(State& state) {
    if (state.engine != nullptr) {
        return static_cast<ENGINE*>(state.engine);
    }
    ENGINE_load_builtin_engines();
    ENGINE* engine = ENGINE_by_id("pkcs11");
    if (engine == nullptr) {
        ERR_clear_error();
        throw Error(state.reading.code, state.reading.subject,
                    "OpenSSL has neither a pkcs11 provider nor a pkcs11 engine",
                    "install one (Debian 12: libengine-pkcs11-openssl; else pkcs11-provider)");
    }
    if (ENGINE_init(engine) != 1) {
        ENGINE_free(engine);
        throw openssl_error(state.reading.code, state.reading.subject, "start the pkcs11 engine");
    }
    state.engine = engine;
    // Engines of other makers may not know these. QUIET: else it writes its own words to standard error. The others:
    // else it asks on the terminal for what a certificate or a signature needs.
    static_cast<void>(ENGINE_ctrl_cmd_string(engine, "QUIET", nullptr, 1));
    static_cast<void>(ENGINE_ctrl_cmd(engine, "SET_USER_INTERFACE", 0, engine_prompt(), nullptr, 1));
    static_cast<void>(ENGINE_ctrl_cmd(engine, "SET_CALLBACK_DATA", 0, &state, nullptr, 1));
    return engine;
}

void end_engine(State& state) {
    auto* engine = static_cast<ENGINE*>(state.engine);
    static_cast<void>(ENGINE_ctrl_cmd(engine, "SET_CALLBACK_DATA", 0, nullptr, nullptr, 1));
    ENGINE_finish(engine);
    ENGINE_free(engine);
}

/// Sets the PIN with which the engine logs in; its question to us would take 4 to 32 characters only. Returns whether
/// there is one.
bool set_engine_pin(State& state, ENGINE* engine) {
    const std::optional<Secret>& pin = state.pin();
    if (!pin) {
        return false;
    }
    state.reading.given = true;
    Secret terminated(pin->view());
    terminated.append(std::string_view("\0", 1));
    if (ENGINE_ctrl_cmd_string(engine, "PIN", terminated.view().data(), 0) != 1) {
        throw openssl_error(state.reading.code, state.reading.subject, "give the engine the PIN");
    }
    state.token_of_engine_pin = state.reading.token;
    return true;
}

/// Reads by @p load, first without a PIN unless one is known: certificates are public on most tokens, and a reader with
/// a keypad wants none.
template <typename Load> auto read_from_engine(State& state, Load&& load) {
    ENGINE* engine = engine_of(state);
    // The engine keeps the PIN it was given last, and would try that of another token.
    const bool stale = !state.token_of_engine_pin.empty() && state.token_of_engine_pin != state.reading.token;
    if (stale || state.knows_pin(state.reading.token)) {
        set_engine_pin(state, engine);
    }
    state.reading.probing = true;
    auto object = load(engine);
    if (!object && state.reading.wanted_pin && !state.reading.given && set_engine_pin(state, engine)) {
        ERR_clear_error();
        object = load(engine);
    }
    if (!object) {
        throw failure_of(state.reading, std::string("find the ") + state.reading.object + " in the token");
    }
    state.reading.done = true;
    return object;
}

KeyHandle read_key_from_engine(State& state, const std::string& uri) {
    return read_from_engine(state, [&](ENGINE* engine) {
        return KeyHandle(ENGINE_load_private_key(engine, uri.c_str(), engine_prompt(), &state));
    });
}

CertificateHandle read_certificate_from_engine(State& state, const std::string& uri) {
    return read_from_engine(state, [&](ENGINE* engine) {
        // libp11 eng_back.c, ctx_ctrl_load_cert.
        struct {
            const char* uri;
            X509* certificate;
        } request{uri.c_str(), nullptr};
        static_cast<void>(ENGINE_ctrl_cmd(engine, "LOAD_CERT_CTRL", 0, &request, nullptr, 0));
        return CertificateHandle(request.certificate);
    });
}
#pragma GCC diagnostic pop
#endif

[[maybe_unused]] Error no_provider(const Reading& reading) {
    return {reading.code, reading.subject, "OpenSSL has no pkcs11 provider", "install pkcs11-provider"};
}

} // namespace

TokenSession::TokenSession(PassphraseSource source, InsecureFile insecure)
    : state_(new State{std::move(source), insecure}) {
    state_->prompt.reset(UI_UTIL_wrap_read_pem_callback(give_pin, 0));
    // The default provider comes first, or digests would be made by the token: slowly, a session for each, and without
    // end where the token's module uses OpenSSL itself, as softhsm2 does (seen with pkcs11-provider 1.0, OpenSSL 3.5).
    // It is a fallback, which OpenSSL loads when first asked for something.
    static_cast<void>(OSSL_PROVIDER_available(nullptr, "default"));
    // retain_fallbacks: loading one provider by hand must not switch the default one off.
    state_->has_provider = OSSL_PROVIDER_try_load(nullptr, "pkcs11", 1) != nullptr;
    ERR_clear_error();
}

TokenSession::~TokenSession() {
#ifdef KSIGN_HAVE_ENGINES
    if (state_->engine != nullptr) {
        end_engine(*state_);
    }
#endif
}

void TokenSession::take_pin_of(const TokenUri& uri) {
    if (uri.has_pin()) {
        state_->pins_of_uris.emplace(uri.token(), uri);
    }
}

KeyHandle TokenSession::read_key(const TokenUri& uri) {
    take_pin_of(uri);
    state_->reading = {uri.displayed(), uri.token(), ErrorCode::key, "key"};
    const std::string object = uri.of_type("private");
    if (state_->has_provider) {
        return KeyHandle(OSSL_STORE_INFO_get1_PKEY(read_from_store(*state_, object, OSSL_STORE_INFO_PKEY).get()));
    }
#ifdef KSIGN_HAVE_ENGINES
    return read_key_from_engine(*state_, object);
#else
    throw no_provider(state_->reading);
#endif
}

CertificateHandle TokenSession::read_certificate(const TokenUri& uri) {
    take_pin_of(uri);
    state_->reading = {uri.displayed(), uri.token(), ErrorCode::certificate, "certificate"};
    const std::string object = uri.of_type("cert");
    if (state_->has_provider) {
        return CertificateHandle(
            OSSL_STORE_INFO_get1_CERT(read_from_store(*state_, object, OSSL_STORE_INFO_CERT).get()));
    }
#ifdef KSIGN_HAVE_ENGINES
    return read_certificate_from_engine(*state_, object);
#else
    throw no_provider(state_->reading);
#endif
}

} // namespace ksign
