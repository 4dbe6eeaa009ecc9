// Owning types for OpenSSL's handles, and OpenSSL's error queue as text.
#pragma once

#include <ksign/error.hpp>

#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/conf.h>
#include <openssl/evp.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace ksign {

template <auto Free> struct HandleDeleter {
    template <typename Handle> void operator()(Handle* handle) const noexcept { Free(handle); }
};

using BioHandle = std::unique_ptr<BIO, HandleDeleter<BIO_free_all>>;
using ConfigurationHandle = std::unique_ptr<CONF, HandleDeleter<NCONF_free>>;
using CmsHandle = std::unique_ptr<CMS_ContentInfo, HandleDeleter<CMS_ContentInfo_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, HandleDeleter<EVP_MD_CTX_free>>;
using DigestMethod = std::unique_ptr<EVP_MD, HandleDeleter<EVP_MD_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, HandleDeleter<EVP_PKEY_CTX_free>>;
using KeyHandle = std::unique_ptr<EVP_PKEY, HandleDeleter<EVP_PKEY_free>>;
using NameHandle = std::unique_ptr<X509_NAME, HandleDeleter<X509_NAME_free>>;
using CertificateHandle = std::unique_ptr<X509, HandleDeleter<X509_free>>;
using StoreHandle = std::unique_ptr<OSSL_STORE_CTX, HandleDeleter<OSSL_STORE_close>>;
using StoreInfoHandle = std::unique_ptr<OSSL_STORE_INFO, HandleDeleter<OSSL_STORE_INFO_free>>;
using UiMethodHandle = std::unique_ptr<UI_METHOD, HandleDeleter<UI_destroy_method>>;

/// OpenSSL's oldest queued error as text, the first cause; empties the queue. "unknown cause" if there is none.
[[nodiscard]] std::string take_openssl_reason();

/// An error whose reason is "action: OpenSSL's reason".
[[nodiscard]] Error openssl_error(ErrorCode code, std::string subject, const std::string& action,
                                  std::string remedy = {});

} // namespace ksign
