#pragma once
// What disk format a file's bytes have, and whether it is safe to hand to a hypervisor. Own parsers of the headers, bounded work, no program is run.
// Archives (OVA, OVF, Docker) are walked, not unpacked. Sources: QEMU docs/interop/qcow2.txt, VMware "Virtual Disk Format 5.0", MS-VHDX, Microsoft "Virtual Hard Disk Image Format", VirtualBox VDI, ECMA-119; OpenVZ ploop format; POSIX ustar;
// DMTF DSP0243 (OVF); Docker image specification.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pilvi::image {

// Random access to the bytes.
class Source {
public:
    virtual ~Source() = default;
    virtual std::uint64_t size() const = 0;
    // Up to `size` bytes at `offset`; fewer at the end.
    virtual std::string read(std::uint64_t offset, std::size_t size) const = 0;
};

struct Finding {
    // "qcow2", "vmdk", "vdi", "vhd", "vhdx", "iso", "ploop", "qcow", "qed", or "raw" where no signature is found.
    std::string_view format = "raw";
    std::optional<std::uint64_t> virtual_size;  // bytes; nullopt where the header does not tell
    std::string unsafe = {};                    // why it must not be used; "" where nothing speaks against it
    std::string_view archive = "";              // "ova", "docker", "tar", "ovf", "gzip", "bzip2", "xz", "zstd", "zip"; "" where it is none
    std::string archive_unsafe = {};            // why it must not be unpacked
};

// Never throws on any content.
Finding inspect(const Source& source);

// Why bytes with this finding are refused for an image declared as `disk_format` in `container_format`; "" where they are accepted.
// Bytes without a signature pass as any format unless `need_signature`: they are useless as such, but harmless, since no format is ever guessed from them.
std::string refusal(const Finding& finding, std::string_view disk_format, std::string_view container_format, bool need_signature);

}  // namespace pilvi::image
