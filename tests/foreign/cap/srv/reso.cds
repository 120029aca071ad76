namespace reso;

@path: '/reso'
service Feed {
  entity Property {
    key ListingKey            : String(50);
        ListPrice             : Decimal(14, 2);
        BedroomsTotal         : Integer;
        PublicRemarks         : String(4000);
        StandardStatus        : String(50);
        ListingContractDate   : Date;
        NewConstructionYN     : Boolean;
        Latitude              : Double;
        PhotosCount           : Integer;
        ModificationTimestamp : Timestamp;
        Media                 : Association to many Media on Media.ResourceRecordKey = ListingKey;
  }

  entity Media {
    key MediaKey              : String(80);
        ResourceRecordKey     : String(50);
        ResourceName          : String(50);
        MediaURL              : String(500);
        ![Order]              : Integer;
        ModificationTimestamp : Timestamp;
  }

  entity Member {
    key MemberKey             : String(50);
        MemberFullName        : String(200);
        ModificationTimestamp : Timestamp;
  }
}
