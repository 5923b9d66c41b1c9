#include <doctest/doctest.h>

#include "base/fd.h"
#include "image/domain/inspect.h"

using namespace pilvi;
using image::Finding;

namespace {
class Bytes final : public image::Source {
public:
    explicit Bytes(std::string bytes) : bytes_(std::move(bytes)) {}
    std::uint64_t size() const override { return bytes_.size(); }
    std::string read(std::uint64_t offset, std::size_t size) const override {
        return offset >= bytes_.size() ? std::string() : bytes_.substr(static_cast<std::size_t>(offset), size);
    }

private:
    std::string bytes_;
};

// Headers as qemu-img makes them.
std::string sample(const std::string& name) { return read_file(std::string(PILVI_SOURCE_DIR) + "/tests/fuzz/corpus/inspect/" + name); }
Finding inspect(const std::string& bytes) { return image::inspect(Bytes(bytes)); }
std::string big(std::string bytes, std::size_t at, std::uint64_t value, std::size_t width) {
    std::string encoded;
    for (std::size_t i = 0; i < width; ++i) encoded += static_cast<char>(value >> 8 * (width - 1 - i));
    return bytes.replace(at, width, encoded);
}
}  // namespace

TEST_CASE("formats by their signature") {
    const std::pair<const char*, const char*> samples[] = {
        {"plain.qcow2", "qcow2"}, {"backing.qcow2", "qcow2"}, {"sparse.vmdk", "vmdk"}, {"stream.vmdk", "vmdk"}, {"flat.vmdk", "vmdk"},
        {"d.vdi", "vdi"},         {"dynamic.vhd", "vhd"},     {"footer.vhd", "vhd"},   {"d.qed", "qed"},        {"d.qcow", "qcow"}};
    for (const auto& row : samples) {
        const auto &name = row.first, &format = row.second;
        CAPTURE(name);
        CHECK(inspect(sample(name)).format == format);
    }
    CHECK(inspect("").format == "raw");
    CHECK(inspect(std::string(100'000, 'x')).format == "raw");
    std::string iso(40'000, '\0');
    iso.replace(0x8001, 5, "CD001");
    CHECK(inspect(iso).format == "iso");
    CHECK(inspect(std::string(4096, '\0') + sample("footer.vhd")).format == "vhd");
    CHECK(inspect("# comment\n# Disk DescriptorFile\n").format == "vmdk");
}

TEST_CASE("virtual sizes") {
    CHECK(inspect(sample("plain.qcow2")).virtual_size == 65536);
    CHECK(inspect(sample("sparse.vmdk")).virtual_size == 65536);
    CHECK(inspect(sample("d.vdi")).virtual_size == 65536);
    CHECK(inspect(std::string(5000, 'x')).virtual_size == 5000);
}

TEST_CASE("what refers to another file, or cannot be judged, is unsafe") {
    CHECK(inspect(sample("plain.qcow2")).unsafe == "");
    CHECK(inspect(sample("sparse.vmdk")).unsafe == "");
    CHECK(inspect(sample("stream.vmdk")).unsafe == "");
    CHECK(inspect(sample("d.vdi")).unsafe == "");
    CHECK(inspect(sample("dynamic.vhd")).unsafe == "");
    CHECK(inspect(sample("backing.qcow2")).unsafe == "it has a backing file");
    CHECK(inspect(sample("data.qcow2")).unsafe == "it has an external data file");
    CHECK(inspect(sample("flat.vmdk")).unsafe == "it is a VMDK descriptor that refers to other files");
    const std::string qcow2 = sample("plain.qcow2");
    CHECK(inspect(big(qcow2, 72, 1ull << 40, 8)).unsafe == "it has unknown incompatible features");
    CHECK(inspect(big(qcow2, 4, 4, 4)).unsafe == "its qcow2 version is unknown");
    CHECK(inspect(big(qcow2, 20, 40, 4)).unsafe == "its cluster size is not valid");
    CHECK(inspect(big(qcow2, 36, 0x7fffffff, 4)).unsafe == "its L1 table is too large");
    CHECK(inspect(qcow2.substr(0, 40)).unsafe == "its header is cut short");
    CHECK(inspect(sample("d.qed")).unsafe != "");
    CHECK(inspect(big(sample("dynamic.vhd"), 60, 4, 4)).unsafe == "it is a differencing VHD");
    std::string vdi = sample("d.vdi");
    vdi[0x4c] = 4;
    CHECK(inspect(vdi).unsafe != "");
    CHECK(inspect("vhdxfile" + std::string(300'000, 'x')).unsafe != "");
}

TEST_CASE("a qcow2 whose data file is named behind a large extension") {
    std::string head = big(big(sample("plain.qcow2"), 20, 21, 4), 100, 104, 4).substr(0, 104);
    head += std::string("\x12\x34\x56\x78\x00\x02\x00\x00", 8) + std::string(0x20000, 'p');
    head += std::string("DATA\x00\x00\x00\x04/etc", 12) + std::string(64, '\0');
    CHECK(inspect(head).unsafe == "it names an external data file");
}

TEST_CASE("VMDK descriptors") {
    const std::string good = sample("sparse.vmdk");
    const auto with = [&good](const std::string& from, const std::string& to) {
        std::string bytes = good;
        const std::size_t at = bytes.find(from);
        REQUIRE(at != std::string::npos);
        return bytes.replace(at, from.size(), to);
    };
    CHECK(inspect(with("monolithicSparse", "monolithicFlat\"\n")).unsafe != "");
    CHECK(inspect(with("SPARSE", "FLAT  ")).unsafe != "");
    CHECK(inspect(with("SPARSE \"s.vmdk\"", "SPARSE \"/e.vmd\"")).unsafe != "");
    CHECK(inspect(with("parentCID=ffffffff", "parentCID=12345678")).unsafe == "it has a parent");
    // QEMU reads the hint at a fixed place, wherever the header says that the descriptor is
    std::string hidden = good;
    hidden.replace(8192, 30, "parentFileNameHint=\"/etc/shad\"");
    CHECK(inspect(hidden).unsafe == "it has a parent");
    std::string empty = good;
    for (std::size_t i = 12; i < 20; ++i) empty[i] = 0;
    CHECK(inspect(empty).unsafe == "its capacity is not valid");
}

TEST_CASE("the declared format rules") {
    const Finding raw{.format = "raw"}, iso{.format = "iso"}, qcow2{.format = "qcow2"}, bad{.format = "qcow2", .unsafe = "it has a backing file"};
    CHECK(image::refusal(qcow2, "qcow2", "bare", true) == "");
    CHECK(image::refusal(raw, "raw", "bare", true) == "");
    CHECK(image::refusal(iso, "raw", "bare", true) == "");
    CHECK(image::refusal(raw, "aki", "aki", true) == "");
    CHECK(image::refusal(qcow2, "raw", "bare", false) == "The image's data is a qcow2 image, but its disk_format is raw");
    CHECK(image::refusal(qcow2, "iso", "bare", false) != "");
    CHECK(image::refusal(qcow2, "ami", "ami", false) != "");
    CHECK(image::refusal(bad, "qcow2", "bare", false) == "The image's data is a qcow2 image that is refused: it has a backing file");
    CHECK(image::refusal(bad, "raw", "ova", false) != "");
    CHECK(image::refusal(raw, "qcow2", "bare", false) == "");
    CHECK(image::refusal(raw, "qcow2", "bare", true) != "");
    CHECK(image::refusal(raw, "vmdk", "ova", false) == "");
    CHECK(image::refusal(raw, "vmdk", "ova", true) != "");
    CHECK(image::refusal(qcow2, "vmdk", "ova", false) != "");
}

namespace {
// One entry of a tar archive, as POSIX ustar has it.
std::string entry(const std::string& name, const std::string& content, char type = '0') {
    std::string header(512, '\0');
    header.replace(0, name.size(), name);
    char size[12];
    std::snprintf(size, sizeof size, "%011zo", content.size());
    header.replace(124, 11, size);
    header[156] = type;
    header.replace(257, 5, "ustar");
    return header + content + std::string((512 - content.size() % 512) % 512, '\0');
}
const std::string tar_end(1024, '\0');
std::string ovf(const std::string& references) { return "<?xml version=\"1.0\"?><Envelope><References>" + references + "</References></Envelope>"; }
}  // namespace

TEST_CASE("ploop: signature, size, and headers that are none") {
    std::string head(4096, '\0');
    head.replace(0, 16, "WithouFreSpacExt");
    head[16] = 2;                    // version
    head[29] = 8;                    // sectors of a cluster
    head.replace(36, 2, "\0\1", 2);  // 256 sectors
    CHECK(inspect(head).format == "ploop");
    CHECK(inspect(head).virtual_size == 256 * 512);
    CHECK(inspect(head).unsafe == "");
    head[16] = 9;
    CHECK(inspect(head).unsafe == "its header is not valid");
    CHECK(inspect("WithoutFreeSpace").unsafe == "its header is not valid");
}

TEST_CASE("archives by their signature and content") {
    CHECK(inspect("\x1f\x8b\x08 gzip").archive == "gzip");
    CHECK(inspect("BZh9").archive == "bzip2");
    CHECK(inspect(std::string("\xfd\x37zXZ\0", 6)).archive == "xz");
    CHECK(inspect("\x28\xb5\x2f\xfd").archive == "zstd");
    CHECK(inspect("PK\x03\x04").archive == "zip");
    CHECK(inspect(entry("a", "b") + tar_end).archive == "tar");
    CHECK(inspect(entry("manifest.json", "[]") + tar_end).archive == "docker");
    CHECK(inspect(entry("x.ovf", ovf("")) + entry("x.vmdk", sample("stream.vmdk")) + tar_end).archive == "ova");
    CHECK(inspect(ovf("<File href=\"x.vmdk\"/>")).archive == "ovf");
    CHECK(inspect(std::string(1000, 'x')).archive == "");
}

TEST_CASE("an OVA is as safe as what is in it") {
    const std::string good = entry("x.ovf", ovf("<File ovf:href=\"x.vmdk\"/>"));
    CHECK(inspect(good + entry("x.vmdk", sample("stream.vmdk")) + tar_end).archive_unsafe == "");
    for (const std::string& member :
         {entry("x.vmdk", sample("flat.vmdk")), entry("x.img", sample("backing.qcow2")), entry("../x.vmdk", "x"), entry("/etc/passwd", "x"),
          entry("a/../../x", "x"), entry("link", "", '2'), entry("hard", "", '1'), entry("device", "", '3'), entry("longname", "x", 'L'),
          entry("y.ovf", ovf("<File href=\"http://169.254.169.254/\"/>")), entry("y.ovf", ovf("<File href='../../etc/passwd'/>")),
          entry("y.ovf", ovf("<File href = \"/etc/passwd\"/>")), entry("y.ovf", ovf("<File HREF=\"file:///etc/passwd\"/>")),
          entry("y.ovf", ovf("<File href=\"&x;\"/>")), entry("y.ovf", "<!DOCTYPE x SYSTEM \"file:///etc/passwd\">" + ovf(""))}) {
        CAPTURE(member.substr(0, 30));
        const Finding found = inspect(good + member + tar_end);
        CHECK(found.archive == "ova");
        CHECK(found.archive_unsafe != "");
        CHECK(image::refusal(found, "vmdk", "ova", false) != "");
        CHECK(image::refusal(found, "raw", "bare", false) == "");  // bytes that nobody unpacks
    }
    std::string broken = good + entry("x", std::string(600, 'x'));
    broken[124] = '9';
    CHECK(inspect(broken).archive_unsafe == "its tar headers are broken");
    CHECK(inspect(ovf("<File href=\"http://10.0.0.1/x\"/>")).archive_unsafe == "its OVF refers to something outside");
}

TEST_CASE("what is declared as an archive is one, or at least nothing else") {
    const Finding ova = inspect(entry("x.ovf", ovf("")) + tar_end), gzip = inspect("\x1f\x8b\x08 gzip"), text = inspect("text");
    CHECK(image::refusal(ova, "vmdk", "ova", true) == "");
    CHECK(image::refusal(ova, "raw", "docker", false) == "The image's data is of the kind ova, not docker");
    CHECK(image::refusal(gzip, "qcow2", "compressed", true) == "");
    CHECK(image::refusal(gzip, "qcow2", "ova", false) == "The image's data is of the kind gzip, not ova");
    CHECK(image::refusal(text, "raw", "docker", false) == "");
    CHECK(image::refusal(text, "raw", "docker", true) == "The image's data is no archive, not docker");
    CHECK(image::refusal(inspect(sample("plain.qcow2")), "raw", "docker", false) == "The image's data is a qcow2 image, not docker");
    CHECK(image::refusal(inspect(sample("backing.qcow2")), "qcow2", "compressed", false) != "");
}
