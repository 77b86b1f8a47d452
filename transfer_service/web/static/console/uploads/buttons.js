/* Where files and folders are chosen. */

import { html } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { Icon } from "../ui/icon.js";
import { fromFiles } from "./chosen.js";
import { addFiles } from "./uploads.js";

/** The inputs `Upload files` and `Upload folder`; what is chosen goes into `folder`. */
export function UploadButtons({ folder }) {
  const take = (event) => {
    addFiles(fromFiles(event.target.files, folder));
    event.target.value = "";
  };
  return html`<div class="upload-buttons">
    <label class="button primary file-button"><${Icon} name="upload" /><span>${t("uploads.files")}</span><input type="file" multiple onChange=${take} /></label>
    <label class="button plain file-button"><${Icon} name="folder" /><span>${t("uploads.folder")}</span><input type="file" webkitdirectory onChange=${take} /></label>
  </div>`;
}
