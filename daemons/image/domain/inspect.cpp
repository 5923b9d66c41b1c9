#include "domain/inspect.h"

#include <algorithm>

#include "base/text.h"
#include "domain/archives.h"
#include "domain/view.h"

namespace pilvi::image {
namespace {

// ---- qcow2

constexpr std::uint64_t incompatible_known = 0x1f;  // dirty, corrupt, external data file, compression type, extended L2
constexpr std::uint64_t incompatible_data_file = 0x4;
constexpr std::uint32_t extension_end = 0;
constexpr std::uint32_t extension_data_file = 0x44415441;
constexpr std::uint64_t greatest_l1 = 32u << 20;  // bytes, as QEMU has it

std::string qcow2_unsafe(const View& head) {
    const std::uint64_t version = head.big(4, 4);
    if (version != 2 && version != 3) return "its qcow2 version is unknown";
    if (head.big(8, 8) != 0) return "it has a backing file";
    const std::uint64_t cluster_bits = head.big(20, 4);
    if (cluster_bits < 9 || cluster_bits > 21) return "its cluster size is not valid";
    if (head.big(24, 8) > (std::uint64_t{1} << 62)) return "its virtual size is not valid";
    if (head.big(36, 4) > greatest_l1 / 8) return "its L1 table is too large";
    std::uint64_t length = 72;
    if (version == 3) {
        const std::uint64_t incompatible = head.big(72, 8);
        if (incompatible & incompatible_data_file) return "it has an external data file";
        if (incompatible & ~incompatible_known) return "it has unknown incompatible features";
        length = head.big(100, 4);
        if (length < 104 || length > (std::uint64_t{1} << cluster_bits)) return "its header length is not valid";
    }
    // Extensions follow the header and end within the first cluster.
    std::uint64_t at = length;
    while (at + 8 <= head.size()) {
        const std::uint64_t kind = head.big(at, 4), size = head.big(at + 4, 4);
        if (kind == extension_end) return "";
        if (kind == extension_data_file) return "it names an external data file";
        at += 8 + ((size + 7) & ~std::uint64_t{7});
    }
    return "";
}

Finding inspect_qcow2(const Source& source) {
    const View head(source.read(0, 2u << 20));  // the greatest first cluster
    if (head.size() < 72) return {.format = "qcow2", .unsafe = "its header is cut short"};
    Finding found{.format = "qcow2", .virtual_size = head.big(24, 8), .unsafe = qcow2_unsafe(head)};
    return found;
}

// ---- vmdk

// The value of `key=value` in a descriptor, without quotes.
std::string descriptor_value(std::string_view text, std::string_view key) {
    for (const std::string& line : split(text, '\n')) {
        const std::size_t equals = line.find('=');
        if (equals == std::string::npos || !equals_ignoring_case(trim(std::string_view(line).substr(0, equals)), key)) continue;
        std::string_view value = trim(std::string_view(line).substr(equals + 1));
        if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
        return std::string(value);
    }
    return {};
}

std::string vmdk_descriptor_unsafe(std::string_view text) {
    text = text.substr(0, text.find('\0'));
    const std::string type = descriptor_value(text, "createType");
    if (!equals_ignoring_case(type, "monolithicSparse") && !equals_ignoring_case(type, "streamOptimized"))
        return "its VMDK type '" + type.substr(0, 40) + "' keeps the data elsewhere";
    const std::string parent = descriptor_value(text, "parentCID");
    if (!parent.empty() && lower(parent) != "ffffffff") return "it has a parent";
    if (!descriptor_value(text, "parentFileNameHint").empty()) return "it has a parent";
    int extents = 0;
    for (const std::string& line : split(text, '\n')) {
        const std::vector<std::string> words = split(trim(line), ' ', false);
        if (words.size() < 3 || (words[0] != "RW" && words[0] != "RDONLY" && words[0] != "NOACCESS")) continue;
        ++extents;
        if (words[2] != "SPARSE") return "it has an extent of type " + words[2].substr(0, 20);
        if (line.find('/') != std::string::npos || line.find('\\') != std::string::npos) return "it has an extent with a path";
    }
    return extents == 1 ? "" : "it has " + std::to_string(extents) + " extents";
}

Finding inspect_vmdk(const Source& source, const View& head) {
    Finding found{.format = "vmdk"};
    if (!head.starts_with("KDMV")) {
        found.unsafe = "it is a VMDK descriptor that refers to other files";
        return found;
    }
    if (head.size() < 79) {
        found.unsafe = "its header is cut short";
        return found;
    }
    const std::uint64_t capacity = head.little(12, 8), offset = head.little(28, 8), size = head.little(36, 8);
    if (capacity == 0 || capacity > (std::uint64_t{1} << 53)) {
        found.unsafe = "its capacity is not valid";
        return found;
    }
    found.virtual_size = capacity * 512;
    if (offset == 0 || size == 0 || size > 2048 || offset > source.size() / 512) found.unsafe = "it has no embedded descriptor";
    else if (head.bytes().find("parentFileNameHint") != std::string::npos)
        found.unsafe = "it has a parent";  // QEMU looks for it at a fixed place, whatever the header says
    else found.unsafe = vmdk_descriptor_unsafe(source.read(offset * 512, static_cast<std::size_t>(size * 512)));
    return found;
}

// ---- vdi, vhd, vhdx

Finding inspect_vdi(const View& head) {
    Finding found{.format = "vdi", .virtual_size = head.little(0x170, 8)};
    const std::uint64_t type = head.little(0x4c, 4);
    if (type != 1 && type != 2) found.unsafe = "it is a VDI that depends on another one";
    return found;
}

// `footer` is at the file's end; dynamic disks have a copy of it at the start.
Finding inspect_vhd(const View& footer) {
    Finding found{.format = "vhd", .virtual_size = footer.big(48, 8)};
    const std::uint64_t type = footer.big(60, 4);
    if (type == 4) found.unsafe = "it is a differencing VHD";
    else if (type != 2 && type != 3) found.unsafe = "its VHD type is unknown";
    return found;
}

// GUIDs as they lie in the file.
constexpr std::string_view vhdx_metadata_region{"\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e", 16};
constexpr std::string_view vhdx_file_parameters{"\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b", 16};
constexpr std::string_view vhdx_disk_size{"\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8", 16};
constexpr std::string_view vhdx_parent_locator{"\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34\xab\x0c", 16};

Finding inspect_vhdx(const Source& source) {
    Finding found{.format = "vhdx", .unsafe = "its metadata cannot be read"};
    const View regions(source.read(192 * 1024, 65536));
    if (!regions.starts_with("regi")) return found;
    std::uint64_t metadata = 0;
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(regions.little(8, 4), 2047); ++i)
        if (regions.starts_with(vhdx_metadata_region, 16 + i * 32)) metadata = regions.little(16 + i * 32 + 16, 8);
    if (metadata == 0 || metadata >= source.size()) return found;
    const View table(source.read(metadata, 65536));
    if (!table.starts_with("metadata")) return found;
    bool parameters = false;
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(table.little(10, 2), 2047); ++i) {
        const std::size_t at = 32 + i * 32;
        if (table.starts_with(vhdx_parent_locator, at)) {
            found.unsafe = "it has a parent";
            return found;
        }
        const std::uint64_t offset = metadata + table.little(at + 16, 4);
        if (table.starts_with(vhdx_file_parameters, at)) {
            parameters = true;
            if (View(source.read(offset, 8)).little(4, 4) & 2) {
                found.unsafe = "it has a parent";
                return found;
            }
        }
        if (table.starts_with(vhdx_disk_size, at)) found.virtual_size = View(source.read(offset, 8)).little(0, 8);
    }
    if (parameters && found.virtual_size) found.unsafe.clear();
    return found;
}

// ---- ploop

constexpr std::string_view ploop_marks[] = {"WithoutFreeSpace", "WithouFreSpacExt"};

Finding inspect_ploop(const View& head) {
    Finding found{.format = "ploop"};
    const bool wide = head.starts_with(ploop_marks[1]);
    const std::uint64_t sectors = wide ? head.little(36, 8) : head.little(36, 4);
    if (head.size() < 64 || head.little(16, 4) != 2 || head.little(28, 4) == 0 || sectors > (std::uint64_t{1} << 53))
        found.unsafe = "its header is not valid";
    else found.virtual_size = sectors * 512;
    return found;
}

constexpr std::string_view descriptor_mark = "# Disk DescriptorFile";

bool is_descriptor(const View& head) {
    // Comments and blank lines may come first.
    const std::string_view text = std::string_view(head.bytes()).substr(0, 4096);
    const std::size_t at = text.find(descriptor_mark);
    if (at == std::string_view::npos) return false;
    for (const char c : text.substr(0, at))
        if (static_cast<unsigned char>(c) >= 0x80 || (c < 0x20 && c != '\n' && c != '\r' && c != '\t')) return false;
    return true;
}

Finding inspect_disk(const Source& source) {
    const View head(source.read(0, 65536));
    const std::uint64_t size = source.size();
    if (head.starts_with("QFI\xfb")) {
        if (head.big(4, 4) == 1) return {.format = "qcow", .unsafe = "qcow version 1 is not supported"};
        return inspect_qcow2(source);
    }
    if (head.starts_with(std::string_view("QED\0", 4))) return {.format = "qed", .unsafe = "qed is not supported"};
    if (head.starts_with(ploop_marks[0]) || head.starts_with(ploop_marks[1])) return inspect_ploop(head);
    if (head.starts_with("KDMV") || head.starts_with("COWD") || is_descriptor(head)) return inspect_vmdk(source, head);
    if (head.starts_with("vhdxfile")) return inspect_vhdx(source);
    if (head.starts_with("conectix")) return inspect_vhd(head);
    if (head.little(0x40, 4) == 0xbeda107f) return inspect_vdi(head);
    if (size >= 512)
        if (const View footer(source.read(size - 512, 512)); footer.starts_with("conectix")) return inspect_vhd(footer);
    if (head.starts_with("CD001", 0x8001)) return {.format = "iso", .virtual_size = size};
    return {.format = "raw", .virtual_size = size};
}
}  // namespace

Finding inspect(const Source& source) {
    Finding found = inspect_disk(source);
    if (found.format == "raw") inspect_archive(source, found, &inspect_disk);
    return found;
}

namespace {
std::string archive_refusal(const Finding& finding, std::string_view container_format, bool need_signature) {
    const std::string wanted(container_format);
    if (finding.format != "raw") return "The image's data is a " + std::string(finding.format) + " image, not " + wanted;
    if (!finding.archive_unsafe.empty()) return "The image's data is an archive that is refused: " + finding.archive_unsafe;
    const auto is = [&](std::initializer_list<std::string_view> kinds) {
        return std::find(kinds.begin(), kinds.end(), finding.archive) != kinds.end();
    };
    const bool fits = container_format == "ova"      ? is({"ova"})
                      : container_format == "ovf"    ? is({"ovf", "ova"})
                      : container_format == "docker" ? is({"docker", "tar", "gzip", "zstd"})
                                                     : is({"gzip", "bzip2", "xz", "zstd", "zip"});
    if (fits || (finding.archive.empty() && !need_signature)) return "";
    return "The image's data is " + (finding.archive.empty() ? "no archive" : "of the kind " + std::string(finding.archive)) + ", not " + wanted;
}
}  // namespace

std::string refusal(const Finding& finding, std::string_view disk_format, std::string_view container_format, bool need_signature) {
    const std::string found(finding.format);
    const bool archive = container_format == "ova" || container_format == "ovf" || container_format == "docker" || container_format == "compressed";
    const bool plain = disk_format == "raw" || disk_format == "ami" || disk_format == "ari" || disk_format == "aki";
    const bool fits = plain ? finding.format == "raw" || finding.format == "iso" : finding.format == disk_format;
    if (!finding.unsafe.empty()) return "The image's data is a " + found + " image that is refused: " + finding.unsafe;
    if (fits && !(archive && plain)) return "";
    if (archive) return archive_refusal(finding, container_format, need_signature);
    if (finding.format == "raw") return need_signature ? "The image's data is not in the declared format " + std::string(disk_format) : "";
    return "The image's data is a " + found + " image, but its disk_format is " + std::string(disk_format);
}

}  // namespace pilvi::image
