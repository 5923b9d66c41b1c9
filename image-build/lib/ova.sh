# shellcheck shell=bash
# shellcheck disable=SC2154 # $work, $output, $name, $role, $disk_mib: media
# Disks packed as virtual machines: OVA.

ovf() { # NAME DISK: the descriptor of a machine with that disk, 2 processors and 4 GiB (DMTF DSP0243)
  cat <<XML
<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
  xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData">
  <References><File ovf:id="file1" ovf:href="$2" ovf:size="$(stat -c %s "$work/$2")"/></References>
  <DiskSection><Info>Disks</Info>
    <Disk ovf:diskId="disk1" ovf:fileRef="file1" ovf:capacity="$disk_mib" ovf:capacityAllocationUnits="byte * 2^20"
      ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
  </DiskSection>
  <NetworkSection><Info>Networks</Info><Network ovf:name="NAT"><Description>The way out</Description></Network></NetworkSection>
  <VirtualSystem ovf:id="$1"><Info>A node of a Pilvi cloud: $role</Info><Name>$1</Name>
    <OperatingSystemSection ovf:id="96"><Info>Debian GNU/Linux, 64 bits</Info></OperatingSystemSection>
    <VirtualHardwareSection><Info>Hardware</Info>
      <System><vssd:ElementName>Hardware</vssd:ElementName><vssd:InstanceID>0</vssd:InstanceID><vssd:VirtualSystemIdentifier>$1</vssd:VirtualSystemIdentifier><vssd:VirtualSystemType>virtualbox-2.2</vssd:VirtualSystemType></System>
      <Item><rasd:ElementName>2 processors</rasd:ElementName><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>2</rasd:VirtualQuantity></Item>
      <Item><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits><rasd:ElementName>4096 MiB</rasd:ElementName><rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>4096</rasd:VirtualQuantity></Item>
      <Item><rasd:Address>0</rasd:Address><rasd:ElementName>SATA</rasd:ElementName><rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceSubType>AHCI</rasd:ResourceSubType><rasd:ResourceType>20</rasd:ResourceType></Item>
      <Item><rasd:AddressOnParent>0</rasd:AddressOnParent><rasd:ElementName>disk</rasd:ElementName><rasd:HostResource>/disk/disk1</rasd:HostResource><rasd:InstanceID>4</rasd:InstanceID><rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
      <Item><rasd:AutomaticAllocation>true</rasd:AutomaticAllocation><rasd:Connection>NAT</rasd:Connection><rasd:ElementName>network</rasd:ElementName><rasd:InstanceID>5</rasd:InstanceID><rasd:ResourceSubType>E1000</rasd:ResourceSubType><rasd:ResourceType>10</rasd:ResourceType></Item>
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
XML
}

pack() { # FILE DIRECTORY NAME...: a tar file whose members stand in that order
  local file=$1 directory=$2; shift 2
  tar -C "$directory" --format=ustar --owner=0 --group=0 --mtime="@$SOURCE_DATE_EPOCH" -cf "$file" "$@"
}

make_ova() { # the descriptor first, then the digests, then the disk
  raw_disk
  stream_vmdk "$work/disk.raw" "$work/$name-disk1.vmdk"
  ovf "$name" "$name-disk1.vmdk" >"$work/$name.ovf"
  (cd "$work" && sha256sum "$name.ovf" "$name-disk1.vmdk" | sed -E 's/^([0-9a-f]+)  (.*)$/SHA256(\2)= \1/' >"$name.mf")
  pack "$work/$name.ova" "$work" "$name.ovf" "$name.mf" "$name-disk1.vmdk"
  rm "$work/$name-disk1.vmdk"
  made "$work/$name.ova"
}
