#include "domain/archives.h"

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "domain/view.h"

namespace pilvi::image {
namespace {
constexpr std::size_t block = 512;
constexpr int most_members = 4096;
constexpr std::size_t most_descriptor = 1u << 20;  // bytes of an OVF

struct Mark {
    std::string_view bytes, archive;
};
constexpr Mark marks[] = {
    {"\x1f\x8b", "gzip"}, {"BZh", "bzip2"}, {{"\xfd\x37zXZ\0", 6}, "xz"}, {"\x28\xb5\x2f\xfd", "zstd"}, {"PK\x03\x04", "zip"},
};

// A part of another source.
class Member final : public Source {
public:
    Member(const Source& whole, std::uint64_t at, std::uint64_t size) : whole_(whole), at_(at), size_(size) {}
    std::uint64_t size() const override { return size_; }
    std::string read(std::uint64_t offset, std::size_t size) const override {
        if (offset >= size_) return {};
        return whole_.read(at_ + offset, static_cast<std::size_t>(std::min<std::uint64_t>(size, size_ - offset)));
    }

private:
    const Source& whole_;
    std::uint64_t at_, size_;
};

struct Entry {
    std::string name;
    char type = 0;
    std::uint64_t at = 0, size = 0;  // of the content
};

std::string_view field(const View& header, std::size_t at, std::size_t size) {
    const std::string_view text = std::string_view(header.bytes()).substr(at, size);
    return text.substr(0, text.find('\0'));
}

// nullopt for what is no size: tar has octal digits, GNU tar a binary number after 0x80.
std::optional<std::uint64_t> entry_size(const View& header) {
    constexpr std::size_t at = 124, width = 12;
    if (header.big(at, 1) == 0x80) return header.big(at + 1, 3) == 0 ? std::optional(header.big(at + 4, 8)) : std::nullopt;
    std::uint64_t value = 0;
    for (const char c : trim(field(header, at, width))) {
        if (c < '0' || c > '7') return std::nullopt;
        value = value * 8 + static_cast<std::uint64_t>(c - '0');
    }
    return value;
}

bool is_tar(const View& head) { return head.starts_with("ustar", 257); }

// The entries, or nullopt where the archive is broken. Long names (types L, x, g) are refused by the caller as they come: they are entries too.
std::optional<std::vector<Entry>> entries(const Source& source) {
    std::vector<Entry> out;
    for (std::uint64_t at = 0; at + block <= source.size();) {
        const View header(source.read(at, block));
        if (header.size() < block || header.big(0, 1) == 0) return out;  // the end is a block of zeros
        const std::optional<std::uint64_t> size = entry_size(header);
        if (!is_tar(header) || !size || *size > source.size() || out.size() == most_members) return std::nullopt;
        const std::string_view prefix = field(header, 345, 155), name = field(header, 0, 100);
        out.push_back({.name = prefix.empty() ? std::string(name) : std::string(prefix) + "/" + std::string(name),
                       .type = static_cast<char>(header.big(156, 1)),
                       .at = at + block,
                       .size = *size});
        at += block + (*size + block - 1) / block * block;
    }
    return out;
}

bool leads_out(std::string_view path) {
    if (path.starts_with('/') || path.find('\\') != std::string_view::npos || path.find("://") != std::string_view::npos) return true;
    const std::vector<std::string> parts = split(path, '/');
    return std::find(parts.begin(), parts.end(), "..") != parts.end();
}

// Every reference of an OVF is a file beside it.
std::string descriptor_unsafe(const std::string& text) {
    const std::string small = lower(text);
    if (small.find("<!doctype") != std::string::npos || small.find("<!entity") != std::string::npos) return "its OVF declares entities";
    for (std::size_t at = small.find("href"); at != std::string::npos; at = small.find("href", at + 1)) {
        std::string_view rest = trim(std::string_view(text).substr(at + 4, 4096));
        if (!rest.starts_with('=')) continue;
        rest = trim(rest.substr(1));
        if (rest.empty() || (rest[0] != '"' && rest[0] != '\'')) continue;
        const std::size_t end = rest.find(rest[0], 1);
        if (end == std::string_view::npos || rest.find('&') < end || leads_out(rest.substr(1, end - 1))) return "its OVF refers to something outside";
    }
    return "";
}

std::string ova_unsafe(const Source& source, const std::vector<Entry>& all, Finding (*inspect_member)(const Source& member)) {
    for (const Entry& entry : all) {
        const std::string shown = entry.name.substr(0, 100);
        if (entry.type != '0' && entry.type != '\0') return "its member '" + shown + "' is no plain file";
        if (leads_out(entry.name)) return "its member '" + shown + "' has a path that leads out";
        const Member member(source, entry.at, entry.size);
        if (entry.name.ends_with(".ovf")) {
            if (entry.size > most_descriptor) return "its OVF is too large";
            if (const std::string why = descriptor_unsafe(member.read(0, most_descriptor)); !why.empty()) return why;
        } else if (const Finding inner = inspect_member(member); !inner.unsafe.empty()) {
            return "its member '" + shown + "' is a " + std::string(inner.format) + " image: " + inner.unsafe;
        }
    }
    return "";
}

bool is_descriptor(const View& head) {
    const std::string_view text = std::string_view(head.bytes()).substr(0, 4096);
    return text.find("<?xml") < 8 && (text.find("<Envelope") != std::string_view::npos || text.find(":Envelope") != std::string_view::npos);
}
}  // namespace

void inspect_archive(const Source& source, Finding& found, Finding (*inspect_member)(const Source& member)) {
    const View head(source.read(0, 4096));
    for (const Mark& mark : marks)
        if (head.starts_with(mark.bytes)) found.archive = mark.archive;
    if (is_descriptor(head)) {
        found.archive = "ovf";
        found.archive_unsafe = source.size() > most_descriptor ? "its OVF is too large" : descriptor_unsafe(source.read(0, most_descriptor));
    }
    if (!is_tar(head)) return;
    found.archive = "tar";
    const std::optional<std::vector<Entry>> all = entries(source);
    if (!all) {
        found.archive_unsafe = "its tar headers are broken";
        return;
    }
    const auto has = [&](std::string_view end, bool whole) {
        return std::any_of(all->begin(), all->end(), [&](const Entry& entry) { return whole ? entry.name == end : entry.name.ends_with(end); });
    };
    if (has(".ovf", false)) {
        found.archive = "ova";
        found.archive_unsafe = ova_unsafe(source, *all, inspect_member);
    } else if (has("manifest.json", true) || has("repositories", true) || has("oci-layout", true)) {
        found.archive = "docker";
    }
}

}  // namespace pilvi::image
