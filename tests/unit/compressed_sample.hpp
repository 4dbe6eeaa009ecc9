// Containers in the odd forms that the world has and ksign does not write.
#pragma once

#include "bytes.hpp"

#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <stdexcept>
#include <string>

namespace ksign::test {

struct XzForm {
    lzma_check check = LZMA_CHECK_CRC32;
    std::size_t block_size = 0; ///< Bytes of payload in a block; 0: all in one.
    bool x86_filter = false;
    bool x86_from_second = false; ///< That filter, from the second block on.
    std::uint32_t preset = 1;
};

inline Bytes make_xz(ByteView payload, const XzForm& form = {}) {
    lzma_options_lzma options{};
    lzma_lzma_preset(&options, form.preset);
    const lzma_filter lzma2{LZMA_FILTER_LZMA2, &options};
    const lzma_filter none{LZMA_VLI_UNKNOWN, nullptr};
    const lzma_filter x86{LZMA_FILTER_X86, nullptr};
    const std::array<lzma_filter, 3> with_x86{x86, lzma2, none};
    const std::array<lzma_filter, 3> filters = form.x86_filter ? with_x86 : std::array{lzma2, none, none};
    lzma_stream stream = LZMA_STREAM_INIT;
    if (lzma_stream_encoder(&stream, filters.data(), form.check) != LZMA_OK) {
        throw std::runtime_error("liblzma can't make the form that the test needs");
    }
    Bytes output(lzma_stream_buffer_bound(payload.size()) + 64 * 1024);
    stream.next_out = reinterpret_cast<std::uint8_t*>(output.data());
    stream.avail_out = output.size();
    const std::size_t block = form.block_size == 0 ? std::max<std::size_t>(payload.size(), 1) : form.block_size;
    for (std::size_t at = 0; at < payload.size(); at += block) {
        stream.next_in = reinterpret_cast<const std::uint8_t*>(payload.data() + at);
        stream.avail_in = std::min(block, payload.size() - at);
        const bool last = at + block >= payload.size();
        lzma_ret status = LZMA_OK;
        while (status == LZMA_OK) {
            status = lzma_code(&stream, last ? LZMA_FINISH : LZMA_FULL_FLUSH);
        }
        if (status != LZMA_STREAM_END) {
            throw std::runtime_error("liblzma failed");
        }
        if (form.x86_from_second && !last && lzma_filters_update(&stream, with_x86.data()) != LZMA_OK) {
            throw std::runtime_error("liblzma can't change the filters");
        }
    }
    if (payload.empty() && lzma_code(&stream, LZMA_FINISH) != LZMA_STREAM_END) {
        throw std::runtime_error("liblzma failed");
    }
    output.resize(stream.total_out);
    lzma_end(&stream);
    return output;
}

/// The start of an xz file whose one block asks for a dictionary of that size.
inline Bytes make_xz_header(std::uint32_t dictionary_size) {
    lzma_stream_flags flags{};
    flags.check = LZMA_CHECK_CRC32;
    Bytes output(LZMA_STREAM_HEADER_SIZE + LZMA_BLOCK_HEADER_SIZE_MAX);
    auto* start = reinterpret_cast<std::uint8_t*>(output.data());
    lzma_options_lzma options{};
    lzma_lzma_preset(&options, 1);
    options.dict_size = dictionary_size;
    std::array<lzma_filter, 2> filters{{{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, nullptr}}};
    lzma_block block{};
    block.check = LZMA_CHECK_CRC32;
    block.filters = filters.data();
    block.compressed_size = LZMA_VLI_UNKNOWN;
    block.uncompressed_size = LZMA_VLI_UNKNOWN;
    if (lzma_stream_header_encode(&flags, start) != LZMA_OK || lzma_block_header_size(&block) != LZMA_OK ||
        lzma_block_header_encode(&block, start + LZMA_STREAM_HEADER_SIZE) != LZMA_OK) {
        throw std::runtime_error("liblzma can't make the header that the test needs");
    }
    output.resize(LZMA_STREAM_HEADER_SIZE + block.header_size);
    return output;
}

struct ZstdForm {
    int level = 3;
    bool content_size = true;
    bool checksum = true;
    int window_log = 0; ///< 0: libzstd's choice.
};

inline Bytes make_zstd(ByteView payload, const ZstdForm& form = {}) {
    const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(), ZSTD_freeCCtx);
    ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, form.level);
    ZSTD_CCtx_setParameter(context.get(), ZSTD_c_contentSizeFlag, form.content_size ? 1 : 0);
    ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, form.checksum ? 1 : 0);
    ZSTD_CCtx_setParameter(context.get(), ZSTD_c_windowLog, form.window_log);
    Bytes output(ZSTD_compressBound(payload.size()));
    const std::size_t size =
        ZSTD_compress2(context.get(), output.data(), output.size(), payload.data(), payload.size());
    if (ZSTD_isError(size) != 0) {
        throw std::runtime_error("libzstd failed");
    }
    output.resize(size);
    return output;
}

/// RFC 8878, 3.1.2.
inline Bytes make_skippable_frame(std::size_t content_size, unsigned last_digit = 0) {
    Bytes frame = bytes_from({0x50U + last_digit, 0x2a, 0x4d, 0x18});
    for (unsigned shift = 0; shift < 32; shift += 8) {
        frame.push_back(static_cast<std::byte>(content_size >> shift & 0xffU));
    }
    const Bytes content = random_bytes(content_size);
    frame.insert(frame.end(), content.begin(), content.end());
    return frame;
}

struct GzipForm {
    std::string name = {};
    std::string comment = {};
    std::string extra = {};
    bool header_checksum = false;
    int level = 6;
    bool is_text = false; ///< FTEXT, a bit without a field.
};

/// One member.
inline Bytes make_gzip(ByteView payload, GzipForm form = {}) {
    z_stream stream{};
    if (deflateInit2(&stream, form.level, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        throw std::runtime_error("zlib failed");
    }
    gz_header header{};
    header.os = 3;
    const auto as_field = [](std::string& text) {
        return text.empty() ? nullptr : reinterpret_cast<Bytef*>(text.data());
    };
    header.name = as_field(form.name);
    header.comment = as_field(form.comment);
    header.extra = as_field(form.extra);
    header.extra_len = static_cast<uInt>(form.extra.size());
    header.hcrc = form.header_checksum ? 1 : 0;
    header.text = form.is_text ? 1 : 0;
    if (!form.name.empty() || !form.comment.empty() || !form.extra.empty() || form.header_checksum || form.is_text) {
        deflateSetHeader(&stream, &header);
    }
    Bytes output(deflateBound(&stream, static_cast<uLong>(payload.size())) + 1024);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(payload.data())); // zlib does not write there
    stream.avail_in = static_cast<uInt>(payload.size());
    stream.next_out = reinterpret_cast<Bytef*>(output.data());
    stream.avail_out = static_cast<uInt>(output.size());
    const int status = deflate(&stream, Z_FINISH);
    output.resize(stream.total_out);
    deflateEnd(&stream);
    if (status != Z_STREAM_END) {
        throw std::runtime_error("zlib failed");
    }
    return output;
}

} // namespace ksign::test
